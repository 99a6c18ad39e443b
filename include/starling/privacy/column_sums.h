#pragma once
// Means and variances of columns that clients hold, released with noise. A value is its place
// between public bounds, in [-1, 1]; what lies outside counts as the bound, NaN as missing. Each
// client releases once, by the Gaussian mechanism, the sum over its records of the vector
//     (x_1, x_1^2, [1,] ..., x_d, x_d^2, [1]),
// where 1 counts the values of a column that takes missing ones, and of every column under
// add_remove: how many values were summed is private there. Elsewhere records are public.
//
// Sensitivity: no vector is longer than C = sqrt(coordinates), and a missing value contributes
// nothing. A record that is zeroed out, added or removed moves the sum by at most C; one that is
// replaced by 2 C, which accountants take from the relation. The noise has standard deviation
// noise_multiplier * C. Means and variances are post-processing.

#include <cstdint>
#include <span>
#include <vector>

#include "starling/core/random.h"
#include "starling/privacy/event.h"

namespace starling {

// Sensitivity, noise and event of one release, which cannot disagree.
struct ColumnSumsPlan {
  // Most records that one client may hold, so that its sums stay on the grid: a public constant.
  static constexpr int64_t kMostRecords = int64_t{1} << 31;
  static constexpr double kLeastNoise = 0.01, kMostNoise = 1000.0;

  std::vector<bool> takes_missing;  // by column
  Relation relation = Relation::zero_out;
  double noise_multiplier = 0.0;  // noise standard deviation / clip_norm(); kLeastNoise..kMostNoise

  bool counts(size_t column) const;   // whether its values are counted
  int64_t coordinates() const;        // of the vector
  double clip_norm() const;           // C
  double standard_deviation() const;  // of the noise on each coordinate
  Event event() const;                // one release of one client
  // Errors: InputError naming what is wrong.
  void validate() const;
};

// One client's noised sums, [coordinates]. `values`: [records, columns]. Contributions are clipped
// to C on an integer grid and summed there; the noise is the rounded normal, drawn exactly.
// Errors: Error for more records than the plan allows, or for part of one.
std::vector<double> release_column_sums(const ColumnSumsPlan& plan, std::span<const float> values,
                                        RandomStream stream);

struct ColumnMoments {
  double mean = 0.0;       // in [-1, 1]
  double deviation = 1.0;  // standard deviation, in (0, 1]
};
// By column, of the releases of several clients together, which hold `records` records; that number
// is used for columns alone that are not counted. A variance below the noise of its own estimate is
// taken to be that noise.
std::vector<ColumnMoments> column_moments(const ColumnSumsPlan& plan,
                                          const std::vector<std::vector<double>>& releases,
                                          int64_t records);

}  // namespace starling
