#pragma once
#include <cstdint>
#include <vector>

#include "starling/core/random.h"
#include "starling/experiment/experiment.h"
#include "starling/privacy/round_plan.h"

namespace starling::experiment {

// Who takes part in which round, from the seed alone. A client that has reached max_participations,
// or took part less than min_separation rounds ago, sits out; the schedule ends with the first
// round when all have reached max_participations.
std::vector<std::vector<int64_t>> draw_schedule(const ParticipationSpec& participation,
                                                int64_t clients, int64_t rounds,
                                                const RandomKey& key);

// The cohort of one round whose sampling amplifies client-level privacy: from the run's secret key,
// told to nobody.
std::vector<int64_t> draw_cohort(const RoundPlan& plan, int64_t round, const RandomKey& key);

}  // namespace starling::experiment
