#pragma once
// The sum of a round's uploads on the integer grid (core/grid.h): the same bytes in any order, on
// any number of workers and machines. What a rule refuses leaves no trace in the sum.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "starling/core/grid.h"
#include "starling/federated/ranks.h"

namespace starling {

enum class UpdateClipping {
  none,       // coordinates must lie in the grid's public range
  flat,       // u * min(1, C / |u|)
  per_layer,  // each of L layers to C / sqrt(L), so that the whole has norm C
  automatic,  // u * C / (|u| + 0.01)
};

// How uploads enter the sum; the same for all clients of a round.
struct SumRule {
  Grid grid;         // chosen before the run from public constants
  int64_t size = 0;  // coordinates of an upload
  UpdateClipping clipping = UpdateClipping::none;
  double clip_norm = 0.0;                // C, at most the grid's clip; without meaning for none
  std::vector<int64_t> layer_ends = {};  // per_layer: where each layer ends, ascending to `size`
};

class UpdateSum {
 public:
  // Errors: Error where the rule does not fit its grid.
  explicit UpdateSum(const SumRule& rule);

  // Clips or checks, rounds toward zero and adds weight * upload, weight >= 1. Under a clip an
  // upload with a value that is not finite adds zero and is counted in `zeroed`. Errors: Error for
  // another size, without a clip also for a value that is not finite or outside the public range;
  // the sum is then unchanged.
  void add(std::span<const double> upload, int64_t weight = 1);
  // Of another sum by the same rule.
  void merge(const UpdateSum& other);
  // Becomes the sum over all ranks, each with its own clients. Errors: Error, on every rank, where
  // the weights together pass the grid's capacity.
  void sum_over(Ranks& ranks);

  int64_t clients() const { return clients_; }  // that were added: private under client-level DP
  int64_t zeroed() const { return zeroed_; }    // private, as is
  int64_t within() const { return within_; }    // how many were not clipped
  int64_t weight() const { return sum_.weight(); }
  GridSum& sum() { return sum_; }
  const GridSum& sum() const { return sum_; }

 private:
  void clip(std::span<const double> upload);

  SumRule rule_;
  Grid clip_grid_;  // the sum's grid with the radius of the present clip norm
  GridSum sum_;
  std::vector<double> scaled_;
  std::vector<int64_t> rounded_;
  int64_t clients_ = 0;
  int64_t zeroed_ = 0;
  int64_t within_ = 0;
};

}  // namespace starling
