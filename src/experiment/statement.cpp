#include "experiment/statement.h"

#include <algorithm>
#include <cmath>

#include "starling/privacy/compose.h"

namespace starling::experiment {
namespace {

PrivacyStatement as_asked(const Experiment& experiment, const ExamplePrivacy& privacy) {
  PrivacyStatement statement;
  statement.guarantee = privacy.insecure_seed ? Guarantee::insecure_seed : Guarantee::dp;
  statement.target_epsilon = privacy.epsilon;
  statement.relation = to_string(privacy.relation);
  statement.adversary = to_string(privacy.adversary);
  statement.accountant = privacy.accountant;
  statement.clip_norm = privacy.clip_norm;
  statement.clipping = to_string(privacy.clipping);
  statement.noise = privacy.noise == NoiseKind::fast ? "fast" : "secure";
  statement.sampling = to_string(experiment.local.sampling);
  statement.reveal_private_metrics = privacy.reveal_private_metrics;
  return statement;
}

void add_worst_client(PrivacyStatement& statement, const PrivacyLedger& ledger,
                      const Accountant& accountant) {
  const auto spent = federation_privacy(ledger, accountant, statement.delta);
  if (!spent.example_largest) return;
  const ClientBound& worst = *spent.example_largest;
  const auto events = ledger.events_of(Unit::example, worst.client).events;
  statement.epsilon = worst.bound.epsilon;
  statement.accountant_detail = worst.bound.detail;
  if (std::isfinite(worst.bound.error)) statement.error = worst.bound.error;
  statement.rdp_epsilon =
      make_accountant("rdp")->epsilon(events, worst.relation, statement.delta).epsilon;
  for (const double epsilon : {1.0, 2.0, 4.0, 8.0})
    statement.delta_at.emplace_back(epsilon,
                                    accountant.delta(events, worst.relation, epsilon).delta);
}

int64_t largest_client(const FederationPlan& plan) {
  int64_t largest = 0;
  for (const auto& client : plan.clients) largest = std::max(largest, client.examples);
  return largest;
}

}  // namespace

PrivacyStatement state_privacy(const Experiment& experiment, const FederationPlan& plan,
                               const PrivacyLedger& ledger, const Accountant& accountant) {
  const auto& privacy = std::get<ExamplePrivacy>(experiment.privacy);
  PrivacyStatement statement = as_asked(experiment, privacy);
  statement.delta = plan.delta;
  statement.ledger_lines = ledger.head().lines;
  statement.ledger_head = ledger.head().hash;
  if (sizes_are_public(experiment)) statement.largest_client = largest_client(plan);
  add_worst_client(statement, ledger, accountant);
  return statement;
}

}  // namespace starling::experiment
