#pragma once
// The loops of core/grid.h, compiled for several instruction sets with equal results.

#include <cstdint>

#include "core/vector_targets.h"

namespace starling {

// Sum of squares in double precision, in a fixed order of 16 partial sums; NaN or infinite where a
// value is.
double squared_norm(const float* values, int64_t size);
double squared_norm(const double* values, int64_t size);

// out[i] = trunc(values[i] * factor), |result| < 2^51.
void scale_and_truncate(const float* values, double factor, int64_t* out, int64_t size);
void scale_and_truncate(const double* values, double factor, int64_t* out, int64_t size);

// Whether all |values[i]| <= radius, 0 <= radius < 2^61.
bool within_range(const int64_t* values, int64_t radius, int64_t size);

// Three sums from which the sum of squares follows: |v| = 2^21 high + low, of at most 2^20 values
// with |v| <= 2^41.
struct SquareParts {
  uint64_t high_high = 0;
  uint64_t high_low = 0;
  uint64_t low_low = 0;
};
SquareParts square_parts(const int64_t* values, int64_t size);

// sum[i] += weight * values[i], modulo 2^64, and within_range(values).
bool add_weighted(int64_t* sum, const int64_t* values, int64_t weight, int64_t radius,
                  int64_t size);

}  // namespace starling
