#pragma once
#include <string>

#include "starling/core/json.h"
#include "starling/experiment/run.h"
#include "starling/federated/ranks.h"

namespace starling::experiment {

// What every rank of a run finds out for itself before anything is written.
struct Prepared {
  Federation federation;
  int64_t workers = 1;  // of this rank
  Json resolved;
  std::string config;  // config_hash, without the run's key
};

// A model that no private run can train is refused here. Errors: InputError.
Prepared prepare(const Experiment& experiment, const RunOptions& options, const Ranks& ranks);

// Collective. Errors: AgreedError on every rank where one has another experiment, other data,
// another program, or another kind of CPU or device, since results would then depend on who trains
// whom.
void check_same_on_all(Ranks& ranks, const Prepared& prepared);

}  // namespace starling::experiment
