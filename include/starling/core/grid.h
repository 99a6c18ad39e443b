#pragma once
// Sums on an integer grid. A contribution is clipped, rounded toward zero to multiples of 2^-k and
// summed as int64: the sum is the same in any order, on any number of threads and machines, and the
// clip norm holds exactly on the grid. The grid is chosen before the run from public constants, so
// that no sum of admissible contributions can wrap; whatever would leave it is an error.

#include <cstdint>
#include <span>
#include <vector>

namespace starling {

// Public constants that a grid is chosen from; never anything that was measured on private data.
struct GridBounds {
  // Largest L2 norm of a contribution (clip norm), or the public range of a coordinate in runs
  // without privacy; positive.
  double clip = 0.0;
  // Largest sum of integer weights that can ever be added: all contributors times the largest
  // weight.
  int64_t total_weight = 0;
  // Standard deviation of the noise on the sum (values, not grid steps); 0 without noise.
  double noise_standard_deviation = 0.0;
};

// Values are multiples of 2^-fractional_bits.
struct Grid {
  int fractional_bits = 0;
  int64_t radius = 0;        // floor(clip 2^k): norms on the grid never pass it
  int64_t total_weight = 0;  // capacity of a sum

  double spacing() const;            // 2^-k
  double steps(double value) const;  // value / spacing, exact
};

// Most noise that a grid makes room for; the chance to pass it is below 1e-56 a coordinate.
inline constexpr double kGridNoiseTail = 16.0;

// The finest grid with clip 2^k <= 2^40 and total_weight clip 2^k + 16 std 2^k < 2^62.
// Errors: Error where a bound is not positive and finite, or where not even 12 bits of the clip
// norm (clip 2^k >= 2^12) leave room.
Grid choose_grid(const GridBounds& bounds);

// A contribution on the grid. Norms accumulate in double precision and are verified in 128 bits.
struct GridClip {
  double norm = 0.0;     // L2 norm before clipping: private
  bool clipped = false;  // private
  bool finite = true;    // a contribution with a NaN or an infinity becomes zero: private
};

// out[i] = trunc(factor values[i] 2^k) with factor = min(1, clip / |values|): the integer norm of
// `out` is at most grid.radius. Sizes must match.
GridClip clip_to_grid(const Grid& grid, std::span<const float> values, std::span<int64_t> out);
GridClip clip_to_grid(const Grid& grid, std::span<const double> values, std::span<int64_t> out);

// The same without clipping, for runs without privacy: every coordinate must lie in the public
// range
// [-clip, clip]. Errors: Error with the index and value of the first coordinate that does not.
void round_to_grid(const Grid& grid, std::span<const float> values, std::span<int64_t> out);
void round_to_grid(const Grid& grid, std::span<const double> values, std::span<int64_t> out);

// Whether the sum of squares is at most radius^2, in 128-bit integers; radius in 0..2^60.
bool within_norm(std::span<const int64_t> values, int64_t radius);

// A sum of contributions. Not for concurrent use: give each thread its own and merge them.
class GridSum {
 public:
  GridSum(const Grid& grid, int64_t size);

  // sum += weight * values, weight >= 1. Errors: Error where a coordinate passes the radius or the
  // weights so far would pass grid.total_weight; the sum is then unchanged.
  void add(std::span<const int64_t> values, int64_t weight = 1);
  // Adds another sum of the same grid and size, with its weight. Errors as add().
  void merge(const GridSum& other);
  // Adds noise in grid steps to the coordinates from `first` on. Errors: Error where a coordinate
  // would wrap; the release must then be abandoned.
  void add_noise(std::span<const int64_t> noise, int64_t first = 0);
  // out[i] = scale * sum[i] * 2^-k in double precision; scale is for instance 1 / (q N).
  void decode(std::span<float> out, double scale = 1.0) const;
  void decode(std::span<double> out, double scale = 1.0) const;
  void clear();

  const Grid& grid() const { return grid_; }
  int64_t weight() const { return weight_; }
  std::span<const int64_t> values() const { return values_; }
  // For collective sums over machines, which add values and weights of every rank.
  std::span<int64_t> mutable_values() { return values_; }
  // Errors: Error where `weight` is negative or passes the capacity.
  void set_weight(int64_t weight);

 private:
  Grid grid_;
  int64_t weight_ = 0;
  std::vector<int64_t> values_;
};

}  // namespace starling
