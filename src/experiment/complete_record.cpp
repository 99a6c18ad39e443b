#include "experiment/complete_record.h"

#include "experiment/statement.h"
#include "experiment/truth.h"

namespace starling::experiment {
namespace {

ClientRecord record_of(const ClientPlan& plan, const Experiment& experiment, Spending& spending) {
  ClientRecord client;
  client.client = plan.client;
  if (sizes_are_public(experiment)) client.examples = plan.examples;
  client.rounds = plan.rounds;
  if (plan.privacy) {
    client.rounds = spending.rounds_of(plan.client);
    client.steps = client.rounds * plan.steps;
    client.sample_rate = plan.privacy->sample_rate;
    if (client.rounds > 0) client.noise_multiplier = plan.privacy->noise_multiplier;
    client.epsilon = spending.epsilon_of(plan.client);
  }
  return client;
}

void list_privacy(RunRecord& record, const Experiment& experiment, const FederationPlan& plan,
                  const Spending& spending) {
  if (example_level(experiment.privacy) != nullptr)
    record.privacy.push_back(
        state_example_privacy(experiment, plan, spending.ledger(), *spending.example_accountant()));
  if (plan.server)
    record.privacy.push_back(state_client_privacy(experiment, *plan.server, spending.ledger(),
                                                  *spending.client_accountant()));
}

}  // namespace

void complete_record(RunRecord& record, const Experiment& experiment, const Federation& federation,
                     Spending& spending, const StateDict& global) {
  const FederationPlan& plan = federation.plan;
  // Client-level privacy alone leaves nothing about single clients to list.
  if (!plan.server || example_level(experiment.privacy) != nullptr)
    for (const auto& client : plan.clients)
      record.clients.push_back(record_of(client, experiment, spending));
  list_privacy(record, experiment, plan, spending);
  // The released global model is public, and so is the law that the data were drawn by.
  if (federation.law) record.weights = weights_beside(*federation.law, global);
}

}  // namespace starling::experiment
