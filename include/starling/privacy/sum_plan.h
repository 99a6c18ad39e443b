#pragma once
// Example-level privacy whose noise a trusted server adds, once a round, to the sum of clipped
// example gradients over all clients of the round (DP-SGD of Abadi et al. 2016 over a federation).
// Each client's examples are drawn, clipped and charged by its own DpSgdPlan; all of those share
// clip norm and noise. The schedule of clients is public and amplifies nothing: whether a client
// takes part decides over all of its examples together, and their sum can show it.

#include <cmath>
#include <cstdint>
#include <vector>

namespace starling {

struct SumPlan {
  // Of one client, so that a client's sum stays within the grid: a public constant.
  static constexpr int64_t kMostExamples = int64_t{1} << 16;

  double clip_norm = 1.0;         // C, of one example's gradient
  double noise_multiplier = 0.0;  // noise standard deviation over the sensitivity
  // [rounds] what each round's sum is divided by: the expected examples of the clients scheduled,
  // whoever reports. 0 where nobody is.
  std::vector<double> divisors;

  // Most that one example moves the sum of `size` coordinates whose clients' parts are rounded
  // toward zero to multiples of `spacing`: C + sqrt(size) spacing.
  double sensitivity(int64_t size, double spacing) const {
    return clip_norm + std::sqrt(static_cast<double>(size)) * spacing;
  }
  // Largest coordinate of a client's sum.
  double range() const { return clip_norm * static_cast<double>(kMostExamples); }
};

}  // namespace starling
