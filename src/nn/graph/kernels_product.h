#pragma once
// left^T right from rows that lie anywhere; included by kernels_body.h only.

#include "nn/graph/kernels_vector.h"

namespace starling::graph {
namespace {

constexpr int kProductRows = 6;
constexpr int64_t kAhead = 2;  // rows fetched before they are needed

// Entries [from, from + kWidth) of a row, zero behind entry `end`.
template <class T, int64_t kWidth>
inline void copy_entries(const T* row, int64_t from, int64_t end, T* to) {
  if (end - from >= kWidth) {
    for (int64_t j = 0; j < kWidth; ++j) to[j] = row[from + j];
    return;
  }
  for (int64_t j = 0; j < kWidth; ++j) to[j] = from + j < end ? row[from + j] : T(0);
}

template <class T>
inline void store_entries(T* to, typename VectorOf<T>::type values, int64_t count) {
  if (count >= kLanes<T>) {
    store_vector(to, values);
    return;
  }
  for (int64_t j = 0; j < count; ++j) to[j] = values[j];
}

// Returns the sums of squares of the whole block, whose entries behind the last are zero.
template <class T, int kWide>
Doubles product_block(const T* left, const T* right, int64_t length, int64_t rows, int64_t columns,
                      T* result, int64_t step) {
  using Vector = typename VectorOf<T>::type;
  constexpr int64_t lanes = kLanes<T>;
  Vector sums[kProductRows][kWide] = {};
  for (int64_t t = 0; t < length; ++t) {
    Vector g[kWide];
#pragma GCC unroll 8
    for (int w = 0; w < kWide; ++w) g[w] = load_vector(right + w * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < kProductRows; ++r) {
      const T x = left[r];
#pragma GCC unroll 8
      for (int w = 0; w < kWide; ++w) sums[r][w] += x * g[w];
    }
    left += kProductRows;
    right += kWide * lanes;
  }
  Doubles squares{};
#pragma GCC unroll 8
  for (int r = 0; r < kProductRows; ++r) {
    if (r >= rows) break;
#pragma GCC unroll 8
    for (int w = 0; w < kWide; ++w) {
      squares += squares_of(sums[r][w]);
      store_entries(result + r * step + w * lanes, sums[r][w], columns - w * lanes);
    }
  }
  return squares;
}

// Calls visit(vectors, first column) for panels of the widest fitting width.
template <class T, int kWide, class Visit>
void for_panels(int64_t columns, int64_t from, Visit visit) {
  while (from < columns && (kWide == 1 || columns - from > kWide / 2 * kLanes<T>)) {
    visit(std::integral_constant<int, kWide>(), from);
    from += kWide * kLanes<T>;
  }
  if constexpr (kWide > 1) for_panels<T, kWide / 2>(columns, from, visit);
}

// Rows that are far apart are read once, from end to end.
template <class T>
void pack_left(const T* const* left, int64_t length, int64_t rows, T* blocks) {
  for (int64_t t = 0; t < length; ++t) {
    const T* const soon = left[t + kAhead < length ? t + kAhead : t];
    for (int64_t row = 0; row < rows; row += kProductRows) {
      __builtin_prefetch(soon + row);
      copy_entries<T, kProductRows>(left[t], row, rows, blocks + length * row + t * kProductRows);
    }
  }
}

template <class T>
void pack_right(const T* const* right, int64_t length, int64_t columns, T* panels) {
  for (int64_t t = 0; t < length; ++t) {
    const T* const soon = right[t + kAhead < length ? t + kAhead : t];
    for_panels<T, kWidest>(columns, 0, [&](auto wide, int64_t column) {
      constexpr int64_t width = wide * kLanes<T>;
      for (int64_t j = 0; j < width; j += kLanes<T>) __builtin_prefetch(soon + column + j);
      copy_entries<T, width>(right[t], column, columns, panels + length * column + t * width);
    });
  }
}

template <class T>
double product(const T* const* left, const T* const* right, int64_t length, int64_t rows,
               int64_t columns, T* result, T* scratch) {
  T* blocks = scratch;
  T* panels = scratch + length * (rows + kProductRows);
  pack_left(left, length, rows, blocks);
  pack_right(right, length, columns, panels);
  Doubles squares{};
  for (int64_t row = 0; row < rows; row += kProductRows) {
    for_panels<T, kWidest>(columns, 0, [&](auto wide, int64_t column) {
      squares += product_block<T, wide>(blocks + length * row, panels + length * column, length,
                                        rows - row, columns - column,
                                        result + row * columns + column, columns);
    });
  }
  return total_of(squares);
}

}  // namespace
}  // namespace starling::graph
