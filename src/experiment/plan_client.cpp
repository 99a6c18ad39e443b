#include "experiment/plan_client.h"

#include <algorithm>
#include <cmath>

#include "starling/privacy/calibrate.h"

namespace starling::experiment {
namespace {

int64_t cohort_of(double fraction, int64_t clients) {
  return std::max<int64_t>(1, std::llround(fraction * static_cast<double>(clients)));
}

RoundPlan round_plan(const Experiment& experiment, const ClientPrivacy& privacy, int64_t clients) {
  RoundPlan plan;
  plan.relation = privacy.relation;
  plan.clients = clients;
  plan.clip_norm = privacy.clip_norm;
  plan.noise_multiplier = privacy.noise_multiplier.value_or(0.0);
  plan.weight_cap = privacy.weight_cap.value_or(1);
  const auto& participation = experiment.participation;
  if (const auto* poisson = std::get_if<PoissonParticipation>(&participation.kind)) {
    plan.cohort_kind = CohortKind::poisson;
    plan.sample_rate = poisson->rate;
  } else {
    plan.cohort = cohort_of(std::get<FractionParticipation>(participation.kind).fraction, clients);
    plan.cohort_kind = plan.cohort == clients ? CohortKind::all : CohortKind::fixed;
  }
  if (privacy.release == ClientPrivacy::Release::tree) {
    plan.cohort_kind = CohortKind::tree;
    const int64_t leaves = privacy.restart_every.value_or(experiment.rounds);
    const int64_t spacing = participation.min_separation + 1;
    plan.tree = TreePlan{leaves,
                         std::min(participation.max_participations.value_or(leaves),
                                  (leaves + spacing - 1) / spacing),
                         participation.min_separation};
  }
  if (privacy.adaptive)
    plan.adaptive =
        AdaptiveClipPlan{privacy.adaptive->quantile, privacy.adaptive->learning_rate,
                         privacy.adaptive->bit_noise_multiplier.value_or(
                             plan.divisor() / static_cast<double>(plan.weight_cap) / 20.0)};
  return plan;
}

std::optional<std::string> warning_of_client_delta(double delta, int64_t clients) {
  if (delta * static_cast<double>(clients) < 1.0) return std::nullopt;
  return "delta " + number_text(delta) + " is NOT below 1 / n for the " + std::to_string(clients) +
         " clients: so large a delta allows that single clients are published as they are; set " +
         "/privacy/delta to " + number_text(default_delta(clients)) + " or less";
}

}  // namespace

void plan_client_level(FederationPlan& plan, const Experiment& experiment,
                       const ClientPrivacy& privacy, const std::string& source) {
  const auto clients = std::ssize(plan.clients);
  ServerPlan server;
  server.round = round_plan(experiment, privacy, clients);
  server.delta = privacy.delta.value_or(default_delta(clients));
  const auto accountant = make_accountant(privacy.accountant);
  if (privacy.epsilon) {
    server.round.noise_multiplier = 1.0;
    server.round.noise_multiplier = calibrate_noise_multiplier(
        *accountant, {*privacy.epsilon, server.delta}, spent_by_server(server.round, plan.rounds));
  }
  server.round.validate(source + ": /privacy");
  const Composition spent = spent_by_server(server.round, plan.rounds);
  server.epsilon = accountant->epsilon(spent.events, spent.relation, server.delta).epsilon;
  if (const auto warning = warning_of_client_delta(server.delta, clients))
    plan.warning = plan.warning ? *plan.warning + "; " + *warning : *warning;
  plan.server = server;
}

}  // namespace starling::experiment
