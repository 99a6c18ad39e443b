#pragma once
#include "experiment/prepare.h"
#include "starling/core/checkpoint.h"
#include "starling/experiment/run.h"

namespace starling::experiment {

// What the other ranks need to begin where rank 0 begins: the state as a checkpoint, with the run's
// key beside it, which travels by MPI and by nothing else.
Checkpoint start_message(Checkpoint state, const RandomKey& key);

// The run of a rank other than 0: trains its share of each round that rank 0 orders, and keeps
// server and clients' memories in step. It writes nothing. The result holds `stopped_by` alone.
RunResult follow(const Experiment& experiment, Prepared prepared, Ranks& ranks);

}  // namespace starling::experiment
