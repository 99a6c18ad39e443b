#include "starling/core/grid.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "core/grid_kernels.h"
#include "starling/core/error.h"

namespace starling {
namespace {

constexpr int kFinestBits = 40;
constexpr int kCoarsestBits = 12;
constexpr double kSumLimit = 0x1p62;
constexpr int64_t kBlock = 4096;
constexpr int64_t kSquareLimit = int64_t{1} << 41;
constexpr int64_t kRangeLimit = int64_t{1} << 60;

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

void check_sizes(const char* place, size_t found, size_t expected) {
  if (found != expected) {
    throw Error(std::string(place) + ": " + std::to_string(found) + " values where " +
                std::to_string(expected) + " are expected");
  }
}

void check_bounds(const GridBounds& bounds) {
  if (!(bounds.clip >= 0x1p-500 && bounds.clip <= 0x1p500)) {
    throw Error("choose_grid: clip " + text(bounds.clip) + " is not a positive finite number");
  }
  if (bounds.total_weight < 1) {
    throw Error("choose_grid: total weight " + std::to_string(bounds.total_weight) +
                " is below 1; count every contributor");
  }
  if (!(bounds.noise_standard_deviation >= 0 && std::isfinite(bounds.noise_standard_deviation))) {
    throw Error("choose_grid: noise standard deviation " + text(bounds.noise_standard_deviation) +
                " is not a finite number of at least 0");
  }
}

bool fits(const GridBounds& bounds, int bits) {
  const double radius = std::ldexp(bounds.clip, bits);
  const double noise = std::ldexp(bounds.noise_standard_deviation, bits);
  return radius <= std::ldexp(1.0, kFinestBits) &&
         static_cast<double>(bounds.total_weight) * radius + kGridNoiseTail * noise < kSumLimit;
}

// The L2 norm, without overflow; NaN or infinite only where a value is.
template <typename Value>
double norm_of(std::span<const Value> values) {
  const double squares = squared_norm(values.data(), std::ssize(values));
  if (std::isfinite(squares)) return std::sqrt(squares);
  double largest = 0.0;
  for (const Value value : values) {
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  double scaled = 0.0;
  for (const Value value : values) scaled += std::pow(static_cast<double>(value) / largest, 2);
  return largest * std::sqrt(scaled);
}

using Wide = unsigned __int128;

Wide squared(int64_t radius) { return static_cast<Wide>(radius) * static_cast<Wide>(radius); }

// Exact for at most 2^20 values within 2^41.
Wide exact_squares(const int64_t* values, int64_t size) {
  const SquareParts parts = square_parts(values, size);
  return (static_cast<Wide>(parts.high_high) << 42) + (static_cast<Wide>(parts.high_low) << 22) +
         parts.low_low;
}

// out = trunc(factor values) and its exact sum of squares, block by block while it is in the cache.
template <typename Value>
Wide truncate_and_square(std::span<const Value> values, double factor, std::span<int64_t> out) {
  Wide sum = 0;
  for (int64_t start = 0; start < std::ssize(values); start += kBlock) {
    const int64_t size = std::min(kBlock, std::ssize(values) - start);
    scale_and_truncate(values.data() + start, factor, out.data() + start, size);
    sum += exact_squares(out.data() + start, size);
  }
  return sum;
}

template <typename Value>
GridClip clip_values(const Grid& grid, double clip, std::span<const Value> values,
                     std::span<int64_t> out) {
  check_sizes("clip_to_grid", out.size(), values.size());
  GridClip result;
  result.norm = norm_of(values);
  if (!std::isfinite(result.norm)) {
    result.finite = false;
    std::ranges::fill(out, 0);
    return result;
  }
  result.clipped = result.norm > clip;
  const double factor =
      result.clipped ? std::ldexp(clip / result.norm, grid.fractional_bits) : grid.steps(1.0);
  double shrink = 0.0;
  while (truncate_and_square(values, factor * (1.0 - shrink), out) > squared(grid.radius)) {
    shrink = shrink == 0.0 ? 0x1p-48 : 2 * shrink;
  }
  return result;
}

template <typename Value>
void round_values(const Grid& grid, std::span<const Value> values, std::span<int64_t> out) {
  check_sizes("round_to_grid", out.size(), values.size());
  const double limit = static_cast<double>(grid.radius);
  const double factor = grid.steps(1.0);  // a power of two, so that the product is exact
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(std::abs(static_cast<double>(values[i]) * factor) < limit + 1)) {
      throw Error("round_to_grid: value " + std::to_string(i) + " is " +
                  text(static_cast<double>(values[i])) + ", outside the public range of +-" +
                  text(limit * grid.spacing()) + "; declare a larger range");
    }
  }
  scale_and_truncate(values.data(), factor, out.data(), std::ssize(values));
}

template <typename Value>
void decode_values(std::span<const int64_t> values, double scale, std::span<Value> out) {
  check_sizes("GridSum::decode", out.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    out[i] = static_cast<Value>(static_cast<double>(values[i]) * scale);
  }
}

}  // namespace

double Grid::spacing() const { return std::ldexp(1.0, -fractional_bits); }

double Grid::steps(double value) const { return std::ldexp(value, fractional_bits); }

Grid choose_grid(const GridBounds& bounds) {
  check_bounds(bounds);
  int bits = kFinestBits - std::ilogb(bounds.clip);
  const int coarsest = bits - (kFinestBits - kCoarsestBits);
  while (bits >= coarsest && !fits(bounds, bits)) --bits;
  if (bits < coarsest) {
    throw Error("choose_grid: total weight " + std::to_string(bounds.total_weight) + " with clip " +
                text(bounds.clip) + " and noise " + text(bounds.noise_standard_deviation) +
                " leaves less than 12 bits in 64-bit sums; lower the weights or the noise");
  }
  Grid grid;
  grid.fractional_bits = bits;
  grid.radius = static_cast<int64_t>(std::floor(std::ldexp(bounds.clip, bits)));
  grid.total_weight = bounds.total_weight;
  return grid;
}

GridClip clip_to_grid(const Grid& grid, std::span<const float> values, std::span<int64_t> out) {
  return clip_values(grid, static_cast<double>(grid.radius) * grid.spacing(), values, out);
}

GridClip clip_to_grid(const Grid& grid, std::span<const double> values, std::span<int64_t> out) {
  return clip_values(grid, static_cast<double>(grid.radius) * grid.spacing(), values, out);
}

void round_to_grid(const Grid& grid, std::span<const float> values, std::span<int64_t> out) {
  round_values(grid, values, out);
}

void round_to_grid(const Grid& grid, std::span<const double> values, std::span<int64_t> out) {
  round_values(grid, values, out);
}

bool within_norm(std::span<const int64_t> values, int64_t radius) {
  if (radius < 0 || radius > kRangeLimit) {
    throw Error("within_norm: radius " + std::to_string(radius) + " is outside 0..2^60");
  }
  Wide sum = 0;
  while (!values.empty() && sum <= squared(radius)) {
    const auto block = values.first(std::min<size_t>(values.size(), kBlock));
    if (!within_range(block.data(), radius, std::ssize(block))) return false;
    if (radius <= kSquareLimit) {
      sum += exact_squares(block.data(), std::ssize(block));
    } else {
      for (const int64_t v : block) sum += squared(v);
    }
    values = values.subspan(block.size());
  }
  return sum <= squared(radius);
}

GridSum::GridSum(const Grid& grid, int64_t size) : grid_(grid) {
  if (size < 0 || grid.radius < 1 || grid.total_weight < 1) {
    throw Error("GridSum: take the grid from choose_grid(), and a size of at least 0");
  }
  values_.assign(static_cast<size_t>(size), 0);
}

void GridSum::set_weight(int64_t weight) {
  if (weight < 0 || weight > grid_.total_weight) {
    throw Error("GridSum: weight " + std::to_string(weight) + " is outside 0.." +
                std::to_string(grid_.total_weight) +
                ", for which the grid was chosen; give choose_grid() every contributor");
  }
  weight_ = weight;
}

void GridSum::add(std::span<const int64_t> values, int64_t weight) {
  check_sizes("GridSum::add", values.size(), values_.size());
  if (weight < 1 || weight > grid_.total_weight) {
    throw Error("GridSum::add: weight " + std::to_string(weight) + " is outside 1.." +
                std::to_string(grid_.total_weight));
  }
  const int64_t before = weight_;
  set_weight(weight_ + weight);
  if (!add_weighted(values_.data(), values.data(), weight, grid_.radius, std::ssize(values))) {
    add_weighted(values_.data(), values.data(), -weight, grid_.radius, std::ssize(values));
    weight_ = before;
    throw Error("GridSum::add: a coordinate passes the grid's radius of " +
                std::to_string(grid_.radius) + " steps; clip contributions with clip_to_grid()");
  }
}

void GridSum::merge(const GridSum& other) {
  check_sizes("GridSum::merge", other.values_.size(), values_.size());
  if (other.grid_.fractional_bits != grid_.fractional_bits || other.grid_.radius != grid_.radius ||
      other.grid_.total_weight != grid_.total_weight) {
    throw Error("GridSum::merge: the other sum lies on another grid");
  }
  set_weight(weight_ + other.weight_);
  add_weighted(values_.data(), other.values_.data(), 1, grid_.radius, std::ssize(values_));
}

void GridSum::add_noise(std::span<const int64_t> noise, int64_t first) {
  if (first < 0 || first > std::ssize(values_) - std::ssize(noise)) {
    throw Error("GridSum::add_noise: " + std::to_string(noise.size()) + " values from " +
                std::to_string(first) + " on do not fit a sum of " +
                std::to_string(values_.size()));
  }
  int64_t* const sum = values_.data() + first;
  for (size_t i = 0; i < noise.size(); ++i) {
    if (__builtin_add_overflow(sum[i], noise[i], &sum[i])) {
      throw Error("GridSum::add_noise: coordinate " +
                  std::to_string(first + static_cast<int64_t>(i)) +
                  " wraps; give choose_grid() the noise's standard deviation");
    }
  }
}

void GridSum::decode(std::span<float> out, double scale) const {
  decode_values(values_, scale * grid_.spacing(), out);
}

void GridSum::decode(std::span<double> out, double scale) const {
  decode_values(values_, scale * grid_.spacing(), out);
}

void GridSum::clear() {
  std::ranges::fill(values_, 0);
  weight_ = 0;
}

}  // namespace starling
