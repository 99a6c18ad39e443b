#pragma once
#include <optional>
#include <vector>

#include "starling/experiment/run.h"
#include "starling/federated/simulation.h"

namespace starling::experiment {

// What the experiment asks to measure after a round; empty where it asks for nothing.
struct RoundEvaluation {
  std::optional<Evaluation> test;
  std::optional<Evaluation> stamped;  // under a backdoor
  std::vector<Evaluation> devices;    // by class, of a strategy with a global model for each
  std::vector<Evaluation> clients;    // by client id, each on its own examples: private in a DP run
};

// After round `round` (0, 1, ...). Collective: every rank measures a share of it.
RoundEvaluation evaluate_round(const Experiment& experiment, const Federation& federation,
                               Simulation& simulation, const Server& server, int64_t round);

}  // namespace starling::experiment
