#pragma once
// The noise of DP-FTRL's tree (Kairouz et al. 2021, section 3): the released sum of the first t
// rounds carries the noise of the nodes in t's binary decomposition, one node a set bit. A node's
// noise comes from a stream named by the node, so that nothing is kept between rounds.

#include <functional>

#include "starling/core/grid.h"
#include "starling/core/random.h"
#include "starling/privacy/round_plan.h"

namespace starling {

// Adds to round `round`'s own sum what its prefix sum's noise differs by from the one before, so
// that the rounds' sums add up to the tree's noised prefix sums. `draw` adds the noise of one node,
// from the stream it is given.
void add_tree_noise(GridSum& sum, const TreePlan& tree, int64_t round,
                    const std::function<void(GridSum&, StreamId)>& draw);

// Node noises that a round's difference holds, at most.
double tree_noise_nodes(int64_t leaves);

}  // namespace starling
