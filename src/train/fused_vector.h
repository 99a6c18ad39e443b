#pragma once
// Vectors of floats and register tiles, for fused_kernels_body.h.

#include <cstdint>

namespace starling::fused {
namespace {

#define STARLING_BLOCK __attribute__((always_inline)) inline

template <int kWidth>
struct VectorOf {
  typedef float type __attribute__((vector_size(kWidth * sizeof(float)), aligned(4), may_alias));
  typedef int32_t index __attribute__((vector_size(kWidth * sizeof(int32_t))));
};
template <int kWidth>
using Vector = typename VectorOf<kWidth>::type;

template <int kWidth>
STARLING_BLOCK Vector<kWidth> load(const float* from) {
  return *reinterpret_cast<const Vector<kWidth>*>(from);
}
template <int kWidth>
STARLING_BLOCK void store(float* to, Vector<kWidth> values) {
  *reinterpret_cast<Vector<kWidth>*>(to) = values;
}

// Sums of neighbours: (a0 + a1, a2 + a3, ..., b0 + b1, ...).
template <int kWidth>
STARLING_BLOCK Vector<kWidth> add_neighbours(Vector<kWidth> a, Vector<kWidth> b) {
  typename VectorOf<kWidth>::index even;
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) even[i] = 2 * i;
  return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, even + 1);
}

// result[i] += the sum of parts[i], kCount vectors together: a tree of neighbours' sums.
template <int kWidth, int kCount>
STARLING_BLOCK void add_totals(const Vector<kWidth>* parts, float* result) {
  if constexpr (kWidth == 1) {
    for (int i = 0; i < kCount; ++i) result[i] += parts[i][0];
  } else {
#pragma GCC unroll 16
    for (int first = 0; first < kCount; first += kWidth) {
      Vector<kWidth> level[kWidth] = {};
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i)
        if (first + i < kCount) level[i] = parts[first + i];
#pragma GCC unroll 16
      for (int left = kWidth / 2; left > 0; left /= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < left; ++i)
          level[i] = add_neighbours<kWidth>(level[2 * i], level[2 * i + 1]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i)
        if (first + i < kCount) result[first + i] += level[0][i];
    }
  }
}

template <int kCount>
struct Rows {
  static constexpr int count = kCount;
};

template <int kMost, class Call>
STARLING_BLOCK void with_rows(int64_t rows, Call call) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return with_rows<kMost - 1>(rows, call);
  }
  call(Rows<kMost>());
}

// call(first, Rows<count>) over 0..size-1, kTile at a time.
template <int kTile, class Call>
STARLING_BLOCK void for_tiles(int64_t size, Call call) {
  for (int64_t first = 0; first < size; first += kTile) {
    const int64_t left = size - first;
    with_rows<kTile>(left < kTile ? left : kTile, [&](auto rows) { call(first, rows); });
  }
}

}  // namespace
}  // namespace starling::fused
