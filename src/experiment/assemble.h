#pragma once
// The server and the simulation of an experiment, from what set_up found.

#include "starling/experiment/run.h"
#include "starling/federated/simulation.h"

namespace starling::experiment {

Server make_server(const Experiment& experiment, const Federation& federation);

// Takes the clients' examples out of `federation`.
Simulation make_simulation(const Experiment& experiment, Federation& federation, int64_t workers);

}  // namespace starling::experiment
