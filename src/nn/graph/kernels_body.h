#pragma once
// The bodies of kernels.h, compiled by each of kernels_*.cpp for its own instruction set.
// Everything here has internal linkage and calls no library function, so that no copy made for a
// newer CPU is ever linked into the others.

#include "nn/graph/kernels.h"

namespace starling::graph {
namespace {

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

// What a block of the weight gradient reads: rows of the padded input, columns of the transposed
// output gradient [positions, columns].
template <class T>
struct BlockInput {
  const T* gradient;
  int64_t columns;
  const int64_t* output;
  int64_t plane_step, row_step, column_step;  // between output positions, in the padded input
  int64_t tap_step;                           // between kernel columns
};

// kRows input rows x kTaps kernel columns x kWide vectors of output channels, held in registers
// over all output positions.
template <class T, int kWide, int kTaps, int kRows>
void accumulate_block(const BlockInput<T>& in, const T* const* rows, T* const* results, bool add) {
  using Vector = typename VectorOf<T>::type;
  constexpr int64_t lanes = kLanes<T>;
  Vector sums[kRows][kTaps][kWide] = {};
  const T* gradient = in.gradient;
  for (int64_t plane = 0; plane < in.output[0]; ++plane) {
    for (int64_t row = 0; row < in.output[1]; ++row) {
      const T* cursor[kRows];
      for (int r = 0; r < kRows; ++r) {
        cursor[r] = rows[r] + plane * in.plane_step + row * in.row_step;
      }
      for (int64_t column = 0; column < in.output[2]; ++column) {
        Vector g[kWide];
        for (int w = 0; w < kWide; ++w) {
          g[w] = *reinterpret_cast<const Vector*>(gradient + w * lanes);
        }
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
          for (int tap = 0; tap < kTaps; ++tap) {
            const T x = cursor[r][tap * in.tap_step];
#pragma GCC unroll 8
            for (int w = 0; w < kWide; ++w) sums[r][tap][w] += x * g[w];
          }
        }
        for (int r = 0; r < kRows; ++r) cursor[r] += in.column_step;
        gradient += in.columns;
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int tap = 0; tap < kTaps; ++tap) {
      for (int w = 0; w < kWide; ++w) {
        auto* out = reinterpret_cast<Vector*>(results[r] + tap * in.columns + w * lanes);
        *out = add ? *out + sums[r][tap][w] : sums[r][tap][w];
      }
    }
  }
}

// Walks over the kernel's rows (channel, depth, height) of one group, kRows at a time.
template <class T>
struct GroupInput {
  BlockInput<T> block;
  const T* padded;
  const ConvolutionShape* shape;
  T* result;
  bool add;

  int64_t row_count() const {
    return shape->channels / shape->groups * shape->kernel[0] * shape->kernel[1];
  }
  const T* row(int64_t index) const {
    const int64_t height = index % shape->kernel[1];
    const int64_t depth = index / shape->kernel[1] % shape->kernel[0];
    const int64_t channel = index / (shape->kernel[1] * shape->kernel[0]);
    const int64_t plane = channel * shape->padded(0) + depth * shape->dilation[0];
    return padded + (plane * shape->padded(1) + height * shape->dilation[1]) * shape->padded(2);
  }
};

template <class T, int kWide, int kTaps, int kRows>
void walk_rows(const GroupInput<T>& group, int64_t tap, int64_t column) {
  const auto& in = group.block;
  BlockInput<T> block = in;
  block.gradient += column;
  const T* rows[kRows];
  T* results[kRows];
  const auto point = [&](int slot, int64_t index) {
    rows[slot] = group.row(index) + tap * in.tap_step;
    results[slot] = group.result + (index * group.shape->kernel[2] + tap) * in.columns + column;
  };
  const int64_t count = group.row_count();
  int64_t index = 0;
  for (; index + kRows <= count; index += kRows) {
    for (int r = 0; r < kRows; ++r) point(r, index + r);
    accumulate_block<T, kWide, kTaps, kRows>(block, rows, results, group.add);
  }
  for (; index < count; ++index) {
    point(0, index);
    accumulate_block<T, kWide, kTaps, 1>(block, rows, results, group.add);
  }
}

// Twelve accumulators leave registers for the gradient and the input.
template <class T, int kWide>
void walk_taps(const GroupInput<T>& group, int64_t column) {
  constexpr int kFit = 12 / kWide;
  int64_t tap = 0;
  while (tap < group.shape->kernel[2]) {
    const int64_t left = group.shape->kernel[2] - tap;
    if (left == 5 || left == 7) {
      walk_rows<T, kWide, 5, (kFit >= 10 ? 2 : 1)>(group, tap, column);
      tap += 5;
    } else if (left >= 4) {
      walk_rows<T, kWide, 4, (kFit >= 12 ? 3 : 1)>(group, tap, column);
      tap += 4;
    } else if (left == 3) {
      walk_rows<T, kWide, 3, kFit / 3>(group, tap, column);
      tap += 3;
    } else {
      walk_rows<T, kWide, 1, 6>(group, tap, column);
      tap += 1;
    }
  }
}

template <class T>
void copy_padded(const T* input, const ConvolutionShape& shape, T* padded) {
  const int64_t size = shape.channels * shape.padded(0) * shape.padded(1) * shape.padded(2);
  for (int64_t i = 0; i < size; ++i) padded[i] = 0;
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    for (int64_t z = 0; z < shape.input[0]; ++z) {
      for (int64_t y = 0; y < shape.input[1]; ++y) {
        const int64_t plane = channel * shape.padded(0) + z + shape.padding[0];
        T* to = padded + (plane * shape.padded(1) + y + shape.padding[1]) * shape.padded(2) +
                shape.padding[2];
        for (int64_t x = 0; x < shape.input[2]; ++x) to[x] = input[x];
        input += shape.input[2];
      }
    }
  }
}

// [outputs of a group, positions] -> [positions, columns], zero behind the last output
template <class T>
void transpose_gradient(const T* gradient, int64_t outputs, int64_t positions, int64_t columns,
                        T* transposed) {
  constexpr int64_t kTile = 16;
  for (int64_t first = 0; first < positions; first += kTile) {
    const int64_t last = first + kTile < positions ? first + kTile : positions;
    for (int64_t output = 0; output < columns; ++output) {
      for (int64_t position = first; position < last; ++position) {
        transposed[position * columns + output] =
            output < outputs ? gradient[output * positions + position] : T(0);
      }
    }
  }
}

template <class T>
void convolution(const T* input, const T* gradient, const ConvolutionShape& shape, bool add,
                 T* result, T* scratch) {
  const int64_t columns = shape.columns(kLanes<T>), outputs = shape.outputs / shape.groups;
  const int64_t volume = shape.padded(0) * shape.padded(1) * shape.padded(2);
  const bool pads = volume != shape.input[0] * shape.input[1] * shape.input[2];
  T* transposed = scratch + shape.channels * volume;
  if (pads) copy_padded(input, shape, scratch);
  const T* padded = pads ? scratch : input;

  for (int64_t g = 0; g < shape.groups; ++g) {
    transpose_gradient(gradient + g * outputs * shape.positions(), outputs, shape.positions(),
                       columns, transposed);
    const BlockInput<T> block{transposed,
                              columns,
                              shape.output,
                              shape.stride[0] * shape.padded(1) * shape.padded(2),
                              shape.stride[1] * shape.padded(2),
                              shape.stride[2],
                              shape.dilation[2]};
    const GroupInput<T> group{block, padded + g * (shape.channels / shape.groups) * volume, &shape,
                              result + g * shape.rows() * columns, add};
    int64_t column = 0;
    for (; column + 2 * kLanes<T> <= columns; column += 2 * kLanes<T>)
      walk_taps<T, 2>(group, column);
    for (; column < columns; column += kLanes<T>) walk_taps<T, 1>(group, column);
  }
}

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

constexpr Kernels kBody{convolution<float>, convolution<double>, squares<float>, squares<double>};

}  // namespace
}  // namespace starling::graph
