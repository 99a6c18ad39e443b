#pragma once
// What a run's ledger and the files beside it say of the run.

#include <optional>
#include <string>

#include "starling/privacy/ledger.h"

namespace starling::cli {

// `run` is a ledger file, or a run folder that holds ledger.jsonl. Errors: InputError for the
// folder of a run without privacy, which has no ledger.
std::string ledger_path(const std::string& run);
// Whether a seed in the experiment repeats some of the noise, so that nothing is guaranteed.
bool has_insecure_seed(const PrivacyLedger& ledger);
// INSECURE SEED: NO DP GUARANTEE, in front of what secret noise would give; "" for other ledgers.
std::string insecure_words(const PrivacyLedger& ledger);
// Examples of the largest client of the run, or the number of its clients for unit "client", where
// run.json beside the ledger says it: delta is to be below one by it.
std::optional<int64_t> protected_beside(const std::string& ledger, const std::string& unit);
// The delta of a level ("example" or "client"): that of run.json beside the ledger, where defaults
// are filled in, else that of experiment.json. Errors: InputError where they are malformed.
std::optional<double> delta_beside(const std::string& ledger, const std::string& unit);
// Where run.json beside the ledger says that its chain ends. Errors: InputError as above.
std::optional<LedgerHead> head_beside(const std::string& ledger);

}  // namespace starling::cli
