#pragma once
// What each client does in a round, as the experiment and its plan say.

#include <map>

#include "experiment/history.h"
#include "starling/experiment/run.h"
#include "starling/federated/client.h"

namespace starling::experiment {

class ClientTasks {
 public:
  // All but `key` must outlive it.
  ClientTasks(const Experiment& experiment, const Federation& federation, const RandomKey& key,
              const GlobalHistory& history);

  // `paid` holds the ledger's line of every participant under example-level privacy. Client -1 is
  // the server itself, with its own public examples. Called from several threads.
  ClientTask of(int64_t client, int64_t round, const std::map<int64_t, LedgerEntry>& paid) const;

 private:
  ClientTask root_task(int64_t round) const;
  LocalPlan local_plan(int64_t round) const;  // without steps and rate, which differ by client

  const Experiment& experiment_;
  const ExamplePrivacy* privacy_;  // null without that level
  const Federation& federation_;
  RandomKey key_;
  const GlobalHistory& history_;
};

}  // namespace starling::experiment
