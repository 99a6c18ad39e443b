#pragma once
// Sums in double precision; included by kernels_body.h only.

#include "nn/graph/kernels_vector.h"

namespace starling::graph {
namespace {

template <class T>
double squares(const T* values, int64_t count) {
  constexpr int kSums = 16;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int k = 0; k < kSums; ++k) {
      const double value = values[i + k];
      sums[k] += value * value;
    }
  }
  double total = 0;
  for (; i < count; ++i) total += static_cast<double>(values[i]) * values[i];
  for (double sum : sums) total += sum;
  return total;
}

template <class T>
void moments(const T* a, const T* b, int64_t count, double* product, double* sum) {
  constexpr int kSums = 16;
  double products[kSums] = {}, sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int k = 0; k < kSums; ++k) {
      const double left = a[i + k];
      products[k] += left * b[i + k];
      sums[k] += left;
    }
  }
  *product = 0;
  *sum = 0;
  for (; i < count; ++i) {
    *product += static_cast<double>(a[i]) * b[i];
    *sum += a[i];
  }
  for (int k = 0; k < kSums; ++k) {
    *product += products[k];
    *sum += sums[k];
  }
}

}  // namespace
}  // namespace starling::graph
