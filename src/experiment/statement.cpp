#include "experiment/statement.h"

#include <algorithm>
#include <cmath>

#include "starling/privacy/compose.h"

namespace starling::experiment {
namespace {

PrivacyStatement as_asked(const PrivacyTerms& privacy, const PrivacyLedger& ledger) {
  PrivacyStatement statement;
  statement.guarantee = privacy.insecure_seed ? Guarantee::insecure_seed : Guarantee::dp;
  statement.target_epsilon = privacy.epsilon;
  statement.relation = to_string(privacy.relation);
  statement.adversary = to_string(privacy.adversary);
  statement.accountant = privacy.accountant;
  statement.clip_norm = privacy.clip_norm;
  statement.clipping = to_string(privacy.clipping);
  statement.noise = privacy.noise == NoiseKind::fast ? "fast" : "secure";
  statement.reveal_private_metrics = privacy.reveal_private_metrics;
  statement.ledger_lines = ledger.head().lines;
  statement.ledger_head = ledger.head().hash;
  return statement;
}

void add_bound(PrivacyStatement& statement, const ClientBound& worst,
               const std::vector<Event>& events, const Accountant& accountant) {
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

PrivacyStatement state_example_privacy(const Experiment& experiment, const FederationPlan& plan,
                                       const PrivacyLedger& ledger, const Accountant& accountant) {
  PrivacyStatement statement = as_asked(*example_level(experiment.privacy), ledger);
  statement.sampling = to_string(experiment.local.sampling);
  if (plan.sums) statement.noise_by = "server";
  statement.delta = plan.delta;
  if (sizes_are_public(experiment)) statement.largest_client = largest_client(plan);
  const auto spent = federation_privacy(ledger, accountant, statement.delta);
  if (spent.example_largest)
    add_bound(statement, *spent.example_largest,
              ledger.events_of(Unit::example, spent.example_largest->client).events, accountant);
  return statement;
}

PrivacyStatement state_client_privacy(const Experiment& experiment, const ServerPlan& plan,
                                      const PrivacyLedger& ledger, const Accountant& accountant) {
  PrivacyStatement statement = as_asked(*client_level(experiment.privacy), ledger);
  statement.unit = "client";
  statement.noise_by = "server";
  statement.sampling = to_string(plan.round.cohort_kind);
  statement.delta = plan.delta;
  statement.clients = plan.round.clients;
  statement.noise_multiplier = plan.round.noise_multiplier;
  if (plan.round.cohort_kind == CohortKind::poisson) statement.sample_rate = plan.round.sample_rate;
  statement.divisor = plan.round.divisor();
  const auto spent = federation_privacy(ledger, accountant, statement.delta);
  if (spent.client_level)
    add_bound(statement, *spent.client_level, ledger.events_of(Unit::client, -1).events,
              accountant);
  return statement;
}

}  // namespace starling::experiment
