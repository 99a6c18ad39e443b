#pragma once
// left^T right from rows that lie anywhere; included by kernels_body.h only.

#include "nn/graph/kernels_vector.h"

namespace starling::graph {
namespace {

constexpr int kProductRows = 6;

// Columns [from, from + width) of all rows, one row behind the other, zero behind column `end`.
template <class T>
void pack_panel(const T* const* rows, int64_t length, int64_t from, int64_t end, int64_t width,
                T* panel) {
  const int64_t filled = end - from < width ? end - from : width;
  for (int64_t t = 0; t < length; ++t, panel += width) {
    const T* row = rows[t] + from;
    for (int64_t j = 0; j < filled; ++j) panel[j] = row[j];
    for (int64_t j = filled; j < width; ++j) panel[j] = 0;
  }
}

template <class T>
inline void store_entries(T* to, typename VectorOf<T>::type values, int64_t count) {
  if (count >= kLanes<T>) {
    store_vector(to, values);
    return;
  }
  for (int64_t j = 0; j < count; ++j) to[j] = values[j];
}

template <class T, int kWide>
void product_block(const T* left, const T* right, int64_t length, int64_t rows, int64_t columns,
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
#pragma GCC unroll 8
  for (int r = 0; r < kProductRows; ++r) {
    if (r >= rows) break;
#pragma GCC unroll 8
    for (int w = 0; w < kWide; ++w) {
      store_entries(result + r * step + w * lanes, sums[r][w], columns - w * lanes);
    }
  }
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

template <class T>
void product(const T* const* left, const T* const* right, int64_t length, int64_t rows,
             int64_t columns, T* result, T* scratch) {
  T* block = scratch;  // [length, kProductRows]
  T* panels = scratch + length * kProductRows;
  const auto panel_at = [&](int64_t column) { return panels + length * column; };
  for_panels<T, kWidest>(columns, 0, [&](auto wide, int64_t column) {
    pack_panel(right, length, column, columns, wide * kLanes<T>, panel_at(column));
  });
  for (int64_t row = 0; row < rows; row += kProductRows) {
    pack_panel(left, length, row, rows, int64_t{kProductRows}, block);
    const int64_t filled = rows - row < kProductRows ? rows - row : kProductRows;
    for_panels<T, kWidest>(columns, 0, [&](auto wide, int64_t column) {
      product_block<T, wide>(block, panel_at(column), length, filled, columns - column,
                             result + row * columns + column, columns);
    });
  }
}

}  // namespace
}  // namespace starling::graph
