#include "experiment/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "starling/core/error.h"

namespace starling::experiment {
namespace {

using Ids = std::vector<int64_t>;

Ids draw(const FractionParticipation& spec, const Ids& eligible, int64_t clients,
         RandomStream& stream) {
  const auto wanted =
      std::max<int64_t>(1, std::llround(spec.fraction * static_cast<double>(clients)));
  const auto available = static_cast<int64_t>(eligible.size());
  Ids chosen;
  for (const int64_t i : stream.subset(available, std::min(wanted, available)))
    chosen.push_back(eligible[static_cast<size_t>(i)]);
  return chosen;
}

Ids draw(const PoissonParticipation& spec, const Ids& eligible, int64_t clients,
         RandomStream& stream) {
  Ids chosen;
  for (const int64_t client : stream.poisson_sample(clients, spec.rate))
    if (std::binary_search(eligible.begin(), eligible.end(), client)) chosen.push_back(client);
  return chosen;
}

}  // namespace

std::vector<Ids> draw_schedule(const ParticipationSpec& participation, int64_t clients,
                               int64_t rounds, const RandomKey& key) {
  const int64_t most =
      participation.max_participations.value_or(std::numeric_limits<int64_t>::max());
  std::vector<int64_t> taken(static_cast<size_t>(clients), 0);
  std::vector<int64_t> free_from(static_cast<size_t>(clients), 0);  // first round allowed again
  std::vector<Ids> schedule;
  for (int64_t round = 0; round < rounds; ++round) {
    Ids eligible;
    for (int64_t client = 0; client < clients; ++client)
      if (taken[static_cast<size_t>(client)] < most) eligible.push_back(client);
    if (eligible.empty()) break;
    std::erase_if(eligible, [&](int64_t client) { return free_from[client] > round; });
    RandomStream stream(key, {Purpose::participation, -1, round});
    schedule.push_back(
        std::visit([&](const auto& kind) { return draw(kind, eligible, clients, stream); },
                   participation.kind));
    for (const int64_t client : schedule.back()) {
      ++taken[static_cast<size_t>(client)];
      free_from[static_cast<size_t>(client)] = round + 1 + participation.min_separation;
    }
  }
  return schedule;
}

std::vector<int64_t> draw_cohort(const RoundPlan& plan, int64_t round, const RandomKey& key) {
  RandomStream stream(key, {Purpose::client_sampling, -1, round});
  switch (plan.cohort_kind) {
    case CohortKind::poisson:
      return stream.poisson_sample(plan.clients, plan.sample_rate);
    case CohortKind::fixed:
      return stream.subset(plan.clients, plan.cohort);
    case CohortKind::all:
    case CohortKind::tree:
      break;
  }
  throw Error("the cohorts of " + to_string(plan.cohort_kind) + " rounds are not secret");
}

}  // namespace starling::experiment
