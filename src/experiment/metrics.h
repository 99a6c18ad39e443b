#pragma once
// The tables of a run folder, with what each column may tell. In a DP run the tags decide where a
// table goes: one with a private column is a file of its own, readable by its owner alone, and made
// only where privacy.reveal_private_metrics asks for it.

#include <string>
#include <vector>

namespace starling::experiment {

enum class Exposure {
  open,    // public: follows from the plan, public cohorts, the clock
  paid,    // a function of releases that the ledger counts and of public data; left empty where
           // it would be one of uploads that no line pays for
  secret,  // private: of the clients' data themselves; no line of the ledger pays for it
};

struct Column {
  const char* name;
  Exposure exposure;
};

struct Table {
  const char* file;
  const char* private_file;  // in a DP run; null where no column is private
  std::vector<Column> columns;

  bool holds_secrets() const;
  std::string header() const;
  std::string name(bool is_private_run) const;
  unsigned mode(bool is_private_run) const;
};

const Table& rounds_table();
const Table& timings_table();
const Table& communication_table();
const Table& training_table();
const Table& clients_table();
std::vector<const Table*> all_tables();

}  // namespace starling::experiment
