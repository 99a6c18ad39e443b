#pragma once
// What decides the rest of a run, as a checkpoint and back: the global model, the server's clip
// norm and strategy, what clients keep between rounds, and how far record, files and ledger are.
// Streams have no state: they are named by the key, the client, the round and the step.

#include <map>
#include <string>
#include <vector>

#include "experiment/history.h"
#include "starling/core/checkpoint.h"
#include "starling/core/json.h"
#include "starling/federated/simulation.h"
#include "starling/privacy/ledger.h"
#include "starling/report/record.h"

namespace starling::experiment {

// The part of a checkpoint that is neither model nor strategy.
struct RunProgress {
  RunRecord record;                           // so far
  std::map<std::string, int64_t> file_sizes;  // of the run folder's tables, in bytes
  LedgerHead ledger;
  std::vector<int64_t> client_rounds;  // paid for, by client id; empty without example level
  int64_t server_rounds = 0;           // paid for at client level
};

// After `round` rounds. `experiment` is the resolved one.
Checkpoint pack(int64_t round, const std::string& config, const Json& experiment,
                const RunProgress& progress, Server& server, Simulation& simulation,
                const GlobalHistory& history);

// Errors: InputError where a section is missing or malformed.
RunProgress unpack_progress(const Checkpoint& checkpoint);
// Errors: InputError or Error where the checkpoint does not fit the model or the strategy; nothing
// may be trained then.
void unpack_federation(const Checkpoint& checkpoint, Server& server, Simulation& simulation,
                       GlobalHistory& history);

// Refuses an experiment that is not the checkpoint's, with what differs. Errors: InputError at
// `source`.
void check_same_experiment(const Checkpoint& checkpoint, const Json& experiment,
                           const std::string& source);
// The same for the environment: binary, LibTorch and CPU decide bytes.
void check_same_environment(const RunProgress& progress,
                            const std::vector<std::pair<std::string, std::string>>& environment);

}  // namespace starling::experiment
