#pragma once
#include <cstdint>
#include <vector>

#include "starling/core/random.h"
#include "starling/experiment/experiment.h"

namespace starling::experiment {

// Who takes part in which round, from the seed alone. A client that has reached max_participations
// sits out; the schedule ends with the first round that nobody could join.
std::vector<std::vector<int64_t>> draw_schedule(const ParticipationSpec& participation,
                                                int64_t clients, int64_t rounds,
                                                const RandomKey& key);

}  // namespace starling::experiment
