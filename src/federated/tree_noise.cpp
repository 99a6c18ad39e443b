#include "federated/tree_noise.h"

#include <bit>

namespace starling {
namespace {

// The node of 2^height leaves that ends at leaf `end` (1, 2, ...) of tree `tree`.
StreamId node(int64_t tree, int height, int64_t end) {
  return {Purpose::server_noise, height, tree, end};
}

}  // namespace

double tree_noise_nodes(int64_t leaves) {
  return 1.0 + static_cast<double>(std::bit_width(static_cast<uint64_t>(leaves)));
}

// From t - 1 to t the decomposition loses the nodes of the trailing ones of t - 1 and gains one,
// that of t's lowest set bit.
void add_tree_noise(GridSum& sum, const TreePlan& tree, int64_t round,
                    const std::function<void(GridSum&, StreamId)>& draw) {
  const int64_t number = round / tree.restart_every;
  const int64_t t = round % tree.restart_every + 1;
  const int gained = std::countr_zero(static_cast<uint64_t>(t));
  GridSum noise(sum.grid(), std::ssize(sum.values()));
  for (int height = 0; height < gained; ++height)
    draw(noise, node(number, height, t - (int64_t{1} << height)));
  for (auto& value : noise.mutable_values()) value = -value;
  draw(noise, node(number, gained, t));
  sum.add_noise(noise.values());
}

}  // namespace starling
