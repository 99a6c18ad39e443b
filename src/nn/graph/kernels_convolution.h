#pragma once
// Per-example weight gradients of a convolution; included by kernels_body.h only.

#include "nn/graph/kernels_vector.h"

namespace starling::graph {
namespace {

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
// over all output positions. kNear: the kernel columns are neighbours.
template <class T, int kWide, int kTaps, int kRows, bool kNear>
void accumulate_block(const BlockInput<T>& in, const T* const* rows, T* const* results, bool add) {
  using Vector = typename VectorOf<T>::type;
  constexpr int64_t lanes = kLanes<T>;
  const int64_t tap_step = kNear ? 1 : in.tap_step;
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
#pragma GCC unroll 8
        for (int w = 0; w < kWide; ++w) g[w] = load_vector(gradient + w * lanes);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
          for (int tap = 0; tap < kTaps; ++tap) {
            const T x = cursor[r][tap * tap_step];
#pragma GCC unroll 8
            for (int w = 0; w < kWide; ++w) sums[r][tap][w] += x * g[w];
          }
        }
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) cursor[r] += in.column_step;
        gradient += in.columns;
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int tap = 0; tap < kTaps; ++tap) {
#pragma GCC unroll 8
      for (int w = 0; w < kWide; ++w) {
        T* const out = results[r] + tap * in.columns + w * lanes;
        store_vector(out, add ? load_vector(out) + sums[r][tap][w] : sums[r][tap][w]);
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
void walk_rows(const GroupInput<T>& group, int64_t tap, int64_t column, int64_t index = 0) {
  const auto& in = group.block;
  BlockInput<T> block = in;
  block.gradient += column;
  const T* rows[kRows];
  T* results[kRows];
  for (; index + kRows <= group.row_count(); index += kRows) {
    for (int r = 0; r < kRows; ++r) {
      rows[r] = group.row(index + r) + tap * in.tap_step;
      results[r] =
          group.result + ((index + r) * group.shape->kernel[2] + tap) * in.columns + column;
    }
    if (in.tap_step == 1) {
      accumulate_block<T, kWide, kTaps, kRows, true>(block, rows, results, group.add);
    } else {
      accumulate_block<T, kWide, kTaps, kRows, false>(block, rows, results, group.add);
    }
  }
  if constexpr (kRows > 1) walk_rows<T, kWide, kTaps, kRows / 2>(group, tap, column, index);
}

template <class T, int kWide, int kTaps>
void walk_block(const GroupInput<T>& group, int64_t tap, int64_t column) {
  constexpr int kFit = kAccumulators / kWide / kTaps;
  walk_rows<T, kWide, kTaps, (kFit < 1 ? 1 : kFit > 8 ? 8 : kFit)>(group, tap, column);
}

template <class T, int kWide>
void walk_taps(const GroupInput<T>& group, int64_t column) {
  int64_t tap = 0;
  while (tap < group.shape->kernel[2]) {
    const int64_t left = group.shape->kernel[2] - tap;
    if (left == 5 || left == 7) {
      walk_block<T, kWide, 5>(group, tap, column);
      tap += 5;
    } else if (left >= 4) {
      walk_block<T, kWide, 4>(group, tap, column);
      tap += 4;
    } else if (left == 3) {
      walk_block<T, kWide, 3>(group, tap, column);
      tap += 3;
    } else {
      walk_block<T, kWide, 1>(group, tap, column);
      tap += 1;
    }
  }
}

template <class T, int kWide = kWidest>
void walk_columns(const GroupInput<T>& group, int64_t column = 0) {
  for (; column + kWide * kLanes<T> <= group.block.columns; column += kWide * kLanes<T>) {
    walk_taps<T, kWide>(group, column);
  }
  if constexpr (kWide > 1) walk_columns<T, kWide / 2>(group, column);
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
  constexpr int64_t lanes = kLanes<T>;
  for (int64_t output = 0; output < columns; output += lanes) {
    int64_t position = 0;
    for (; output + lanes <= outputs && position + lanes <= positions; position += lanes) {
      alignas(kVectorBytes) typename VectorOf<T>::type square[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        square[i] = load_vector(gradient + (output + i) * positions + position);
      }
      transpose_square<T>(square);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        store_vector(transposed + (position + i) * columns + output, square[i]);
      }
    }
    for (; position < positions; ++position) {
      for (int64_t i = output; i < output + lanes; ++i) {
        transposed[position * columns + i] =
            i < outputs ? gradient[i * positions + position] : T(0);
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
    walk_columns<T>(group);
  }
}

}  // namespace
}  // namespace starling::graph
