#include "starling/federated/update_sum.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kStability = 0.01;  // of automatic clipping, as for examples

double norm_of(std::span<const double> values) {
  double squares = 0.0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

void scale(std::span<double> values, double factor) {
  for (double& value : values) value *= factor;
}

Grid with_clip(Grid grid, double clip_norm) {
  if (!(clip_norm > 0.0) || grid.steps(clip_norm) > static_cast<double>(grid.radius) + 1.0)
    throw Error("UpdateSum: clip norm " + std::to_string(clip_norm) +
                " is outside the range that the grid was chosen for");
  grid.radius = std::min(grid.radius, static_cast<int64_t>(std::floor(grid.steps(clip_norm))));
  return grid;
}

// As the kinds but flat do.
std::span<const double> scaled(const SumRule& rule, std::span<const double> upload, double norm,
                               std::vector<double>& result) {
  result.assign(upload.begin(), upload.end());
  if (rule.clipping == UpdateClipping::automatic)
    scale(result, rule.clip_norm / (norm + kStability));
  int64_t first = 0;
  for (const int64_t end : rule.layer_ends) {
    const auto layer = std::span(result).subspan(first, end - first);
    const double most = rule.clip_norm / std::sqrt(static_cast<double>(rule.layer_ends.size()));
    if (const double size = norm_of(layer); size > most) scale(layer, most / size);
    first = end;
  }
  return result;
}

void check_layers(const SumRule& rule) {
  if (rule.clipping != UpdateClipping::per_layer) return;
  if (rule.layer_ends.empty() || rule.layer_ends.back() != rule.size ||
      !std::ranges::is_sorted(rule.layer_ends))
    throw Error("UpdateSum: the layers do not end where uploads end");
}

}  // namespace

UpdateSum::UpdateSum(const SumRule& rule)
    : rule_(rule),
      clip_grid_(rule.clipping == UpdateClipping::none ? rule.grid
                                                       : with_clip(rule.grid, rule.clip_norm)),
      sum_(rule.grid, rule.size),
      rounded_(static_cast<size_t>(rule.size)) {
  check_layers(rule);
}

// Whatever the kind did, the grid bounds the whole vector by the clip norm.
void UpdateSum::clip(std::span<const double> upload) {
  const bool flat = rule_.clipping == UpdateClipping::flat;
  double norm = flat ? 0.0 : norm_of(upload);
  const bool scales = !flat && std::isfinite(norm);
  const auto clipped =
      clip_to_grid(clip_grid_, scales ? scaled(rule_, upload, norm, scaled_) : upload, rounded_);
  if (flat) norm = clipped.norm;
  if (std::isfinite(norm) && norm <= rule_.clip_norm) ++within_;
  if (!clipped.finite) ++zeroed_;
}

void UpdateSum::add(std::span<const double> upload, int64_t weight) {
  if (std::ssize(upload) != rule_.size)
    throw Error("an upload has " + std::to_string(upload.size()) + " values where " +
                std::to_string(rule_.size) + " are expected");
  if (rule_.clipping == UpdateClipping::none) {
    round_to_grid(rule_.grid, upload, rounded_);
  } else {
    clip(upload);
  }
  sum_.add(rounded_, weight);
  ++clients_;
}

void UpdateSum::merge(const UpdateSum& other) {
  sum_.merge(other.sum_);
  clients_ += other.clients_;
  zeroed_ += other.zeroed_;
  within_ += other.within_;
}

// Weights first: within the capacity no value can wrap.
void UpdateSum::sum_over(Ranks& ranks) {
  std::array<int64_t, 4> counts{sum_.weight(), clients_, zeroed_, within_};
  ranks.sum(counts);
  sum_.set_weight(counts[0]);
  clients_ = counts[1];
  zeroed_ = counts[2];
  within_ = counts[3];
  ranks.sum(sum_.mutable_values());
}

}  // namespace starling
