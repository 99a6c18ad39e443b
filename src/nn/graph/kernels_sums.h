#pragma once
// Sums in double precision; included by kernels_body.h only.

#include "nn/graph/kernels_vector.h"

namespace starling::graph {
namespace {

template <class T>
double squares(const T* values, int64_t count) {
  constexpr int64_t lanes = kLanes<double>;
  Doubles sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const Doubles value = load_wide(values + i + k * lanes);
      sums[k] += value * value;
    }
  }
  double rest = 0;
  for (; i < count; ++i) rest += static_cast<double>(values[i]) * values[i];
  return rest + total_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class T>
void moments(const T* a, const T* b, int64_t count, double* product, double* sum) {
  constexpr int64_t lanes = kLanes<double>;
  Doubles products[2] = {}, sums[2] = {};
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      const Doubles left = load_wide(a + i + k * lanes);
      products[k] += left * load_wide(b + i + k * lanes);
      sums[k] += left;
    }
  }
  double product_rest = 0, sum_rest = 0;
  for (; i < count; ++i) {
    product_rest += static_cast<double>(a[i]) * b[i];
    sum_rest += a[i];
  }
  *product = product_rest + total_of(products[0] + products[1]);
  *sum = sum_rest + total_of(sums[0] + sums[1]);
}

}  // namespace
}  // namespace starling::graph
