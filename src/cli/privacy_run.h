#pragma once
// What lies beside a run's ledger: the delta of its experiment and the head of its record.

#include <optional>
#include <string>

#include "starling/privacy/ledger.h"

namespace starling::cli {

// `run` is a ledger file, or a run folder that holds ledger.jsonl.
std::string ledger_path(const std::string& run);
// /privacy/delta of experiment.json beside the ledger. Errors: InputError where it is malformed.
std::optional<double> delta_beside(const std::string& ledger);
// Where run.json beside the ledger says that its chain ends. Errors: InputError as above.
std::optional<LedgerHead> head_beside(const std::string& ledger);

}  // namespace starling::cli
