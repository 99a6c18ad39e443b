#include "experiment/evaluate.h"

namespace starling::experiment {

RoundEvaluation evaluate_round(const Experiment& experiment, const Federation& federation,
                               Simulation& simulation, const Server& server, int64_t round) {
  RoundEvaluation evaluated;
  const bool is_last = round + 1 == federation.plan.rounds;
  if ((round + 1) % experiment.evaluation.every != 0 && !is_last) return evaluated;
  const int64_t batch_size = experiment.evaluation.batch_size;
  evaluated.test = simulation.evaluate(server.global(), federation.test, batch_size);
  if (federation.stamped_test)
    evaluated.stamped = simulation.evaluate(server.global(), *federation.stamped_test, batch_size);
  evaluated.devices = simulation.evaluate_devices(server, federation.test, batch_size);
  if (experiment.evaluation.per_client)
    evaluated.clients = simulation.evaluate_clients(server, batch_size);
  return evaluated;
}

}  // namespace starling::experiment
