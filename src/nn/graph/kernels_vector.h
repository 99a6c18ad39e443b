#pragma once
// Vectors of the instruction set that the including file is compiled for; it defines
// STARLING_VECTOR_BYTES where they are longer than 32 bytes.

#include <utility>

#include "nn/graph/kernels.h"

namespace starling::graph {
namespace {

#ifdef STARLING_VECTOR_BYTES
constexpr int64_t kVectorBytes = STARLING_VECTOR_BYTES;
#else
constexpr int64_t kVectorBytes = 32;
#endif

template <class T>
constexpr int64_t kLanes = kVectorBytes / static_cast<int64_t>(sizeof(T));

// Accumulators of a product that leave registers for its operands: 24 of 32, or 12 of 16.
constexpr int kAccumulators = kVectorBytes == 64 ? 24 : 12;
constexpr int kWidest = kVectorBytes == 64 ? 4 : 2;  // vectors of one row

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float type __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
};
template <>
struct VectorOf<double> {
  typedef double type __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));
};

// By value: a deduced reference would lose the type's alignment.
template <class T>
inline typename VectorOf<T>::type load_vector(const T* from) {
  return *reinterpret_cast<const typename VectorOf<T>::type*>(from);
}
template <class T>
inline void store_vector(T* to, typename VectorOf<T>::type values) {
  *reinterpret_cast<typename VectorOf<T>::type*>(to) = values;
}

using Doubles = VectorOf<double>::type;
typedef float HalfFloats __attribute__((vector_size(kVectorBytes / 2), aligned(4), may_alias));

inline Doubles load_wide(const double* from) { return load_vector(from); }
inline Doubles load_wide(const float* from) {
  return __builtin_convertvector(*reinterpret_cast<const HalfFloats*>(from), Doubles);
}

template <int kFrom, int... kLane>
inline Doubles widen(VectorOf<float>::type values, std::integer_sequence<int, kLane...>) {
  return __builtin_convertvector(__builtin_shufflevector(values, values, (kFrom + kLane)...),
                                 Doubles);
}

// Squares of all entries, in double precision.
inline Doubles squares_of(VectorOf<double>::type values) { return values * values; }
inline Doubles squares_of(VectorOf<float>::type values) {
  constexpr int n = static_cast<int>(kLanes<double>);
  const auto lanes = std::make_integer_sequence<int, n>();
  const Doubles low = widen<0>(values, lanes), high = widen<n>(values, lanes);
  return low * low + high * high;
}

inline double total_of(Doubles values) {
  double total = 0;
  for (int i = 0; i < kLanes<double>; ++i) total += values[i];
  return total;
}

// Swaps the off-diagonal squares of side kSide in every square of side 2 kSide.
template <int kSide, class Vector, int... kLane>
inline void swap_squares(Vector& upper, Vector& lower, std::integer_sequence<int, kLane...>) {
  constexpr int n = sizeof...(kLane);
  const Vector a = upper, b = lower;
  upper = __builtin_shufflevector(a, b, (kLane & kSide ? n + kLane - kSide : kLane)...);
  lower = __builtin_shufflevector(a, b, (kLane & kSide ? n + kLane : kLane + kSide)...);
}

// rows: aligned to whole vectors
template <class T, int kSide = 1>
inline void transpose_square(typename VectorOf<T>::type* rows) {
  constexpr int n = static_cast<int>(kLanes<T>);
  if constexpr (kSide < n) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      if ((i & kSide) == 0) {
        swap_squares<kSide>(rows[i], rows[i + kSide], std::make_integer_sequence<int, n>());
      }
    }
    transpose_square<T, 2 * kSide>(rows);
  }
}

}  // namespace
}  // namespace starling::graph
