#pragma once
// Products of matrices whose rows lie anywhere; included by kernels_body.h only.

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

template <class T>
inline typename VectorOf<T>::type load_entries(const T* from, int64_t count) {
  if (count >= kLanes<T>) return load_vector(from);
  typename VectorOf<T>::type values{};
  for (int64_t j = 0; j < count; ++j) values[j] = from[j];
  return values;
}

// sum over t of left[t] right[t]^T for kProductRows rows and kWide vectors of columns, of which
// `rows` are wanted; store(row, vector, sums) receives them. right: packed. left: packed, or where
// kPacked is false rows of the left side's transpose, an entry every t, `left_step` apart.
template <class T, int kWide, bool kPacked, class Store>
inline void product_block(const T* left, int64_t left_step, const T* right, int64_t length,
                          int64_t rows, Store store) {
  using Vector = typename VectorOf<T>::type;
  constexpr int64_t lanes = kLanes<T>;
  int64_t at[kProductRows];
  for (int r = 0; r < kProductRows; ++r)
    at[r] = kPacked ? r : (r < rows ? r : rows - 1) * left_step;
  Vector sums[kProductRows][kWide] = {};
  for (int64_t t = 0; t < length; ++t) {
    Vector g[kWide];
#pragma GCC unroll 8
    for (int w = 0; w < kWide; ++w) g[w] = load_vector(right + w * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < kProductRows; ++r) {
      const T x = left[kPacked ? r : at[r]];
#pragma GCC unroll 8
      for (int w = 0; w < kWide; ++w) sums[r][w] += x * g[w];
    }
    left += kPacked ? kProductRows : 1;
    right += kWide * lanes;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kProductRows; ++r) {
    if (r >= rows) break;
#pragma GCC unroll 8
    for (int w = 0; w < kWide; ++w) store(r, w, sums[r][w]);
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

// Rows that are far apart are read once, from end to end. Each is weighed by its factor.
template <class T>
void pack_left(const T* const* left, const T* factors, int64_t length, int64_t first, int64_t last,
               T* blocks) {
  for (int64_t t = 0; t < length; ++t) {
    const T* const soon = left[t + kAhead < length ? t + kAhead : t];
    for (int64_t row = first; row < last; row += kProductRows) {
      __builtin_prefetch(soon + row);
      T* const to = blocks + length * (row - first) + t * kProductRows;
      copy_entries<T, kProductRows>(left[t], row, last, to);
      if (factors != nullptr) {
        for (int r = 0; r < kProductRows; ++r) to[r] *= factors[t];
      }
    }
  }
}

template <class T, int64_t kWidth>
void pack_panel(const T* const* right, int64_t length, int64_t column, int64_t columns, T* panel) {
  for (int64_t t = 0; t < length; ++t)
    copy_entries<T, kWidth>(right[t], column, columns, panel + t * kWidth);
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
  pack_left<T>(left, nullptr, length, 0, rows, blocks);
  pack_right(right, length, columns, panels);
  Doubles squares{};
  for (int64_t row = 0; row < rows; row += kProductRows) {
    for_panels<T, kWidest>(columns, 0, [&](auto wide, int64_t column) {
      product_block<T, wide, true>(
          blocks + length * row, 0, panels + length * column, length, rows - row,
          [&](int r, int w, auto sums) {
            squares += squares_of(sums);  // entries behind the last are zero
            const int64_t from = column + w * kLanes<T>;
            store_entries<T>(result + (row + r) * columns + from, sums, columns - from);
          });
    });
  }
  return total_of(squares);
}

constexpr int64_t kDepth = 256;  // rows of a product at a time: their panel stays near the core

// One panel of columns, for as many rows as are packed.
template <class T, int kWide>
void add_panel(const T* blocks, const T* panel, int64_t depth, int64_t rows, int64_t width,
               bool add, T* result, int64_t step) {
  for (int64_t row = 0; row < rows; row += kProductRows) {
    product_block<T, kWide, true>(blocks + depth * row, 0, panel, depth, rows - row,
                                  [&](int r, int w, auto sums) {
                                    const int64_t from = w * kLanes<T>;
                                    if (from >= width) return;
                                    T* const to = result + (row + r) * step + from;
                                    if (add) sums += load_entries<T>(to, width - from);
                                    store_entries<T>(to, sums, width - from);
                                  });
  }
}

template <class T>
void weighted_product(const WeightedRows<T>& in, int64_t first, int64_t last, T* result,
                      T* scratch) {
  for (int64_t from = 0; from < in.length; from += kDepth) {
    const int64_t depth = in.length - from < kDepth ? in.length - from : kDepth;
    T* const panel = scratch + depth * (last - first + kProductRows);
    pack_left(in.left + from, in.factors + from, depth, first, last, scratch);
    for_panels<T, kWidest>(in.columns, 0, [&](auto wide, int64_t column) {
      pack_panel<T, wide * kLanes<T>>(in.right + from, depth, column, in.columns, panel);
      add_panel<T, wide>(scratch, panel, depth, last - first, in.columns - column, from > 0,
                         result + first * in.columns + column, in.columns);
    });
  }
}

void multiply_packed(const float* left, int64_t left_step, int64_t rows, const float* panels,
                     int64_t length, int64_t columns, float* result) {
  for_panels<float, kWidest>(columns, 0, [&](auto wide, int64_t column) {
    for (int64_t row = 0; row < rows; row += kProductRows) {
      product_block<float, wide, false>(left + row * left_step, left_step, panels + length * column,
                                        length, rows - row, [&](int r, int w, auto sums) {
                                          const int64_t from = column + w * kLanes<float>;
                                          store_entries<float>(result + (row + r) * columns + from,
                                                               sums, columns - from);
                                        });
    }
  });
}

}  // namespace
}  // namespace starling::graph
