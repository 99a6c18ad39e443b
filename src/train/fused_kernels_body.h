#pragma once
// The bodies of fused_kernels.h, compiled by each of fused_kernels_*.cpp, which defines for its own
// instruction set kLanes, the floats of a vector, and what a block holds in registers: kRowTile
// rows of a batch; kPixelTile pixels times kVectorTile vectors of channels. Everything here has
// internal linkage and calls no library function, so that no copy made for a newer CPU is ever
// linked into the others.

#include "train/fused_convolution_body.h"
#include "train/fused_kernels.h"
#include "train/fused_vector.h"

namespace starling::fused {
namespace {

// A pair of outputs at a time, then the last one.
template <class Call>
STARLING_BLOCK void for_output_pairs(int64_t outputs, Call call) {
  int64_t output = 0;
  for (; output + 2 <= outputs; output += 2) call(output, Rows<2>());
  if (output < outputs) call(output, Rows<1>());
}

// sums[row][output] += input[row] . weight[output] over columns from `column` on, as many as fill
// vectors of kWidth, then of half the width.
template <int kWidth, int kRows, int kOutputs>
STARLING_BLOCK void add_dots(const float* input, const float* weight, int64_t inputs,
                             int64_t column, float (&sums)[kRows][kOutputs]) {
  if (column + kWidth <= inputs) {
    Vector<kWidth> parts[kRows][kOutputs] = {};
    for (; column + kWidth <= inputs; column += kWidth) {
      Vector<kWidth> w[kOutputs];
#pragma GCC unroll 16
      for (int o = 0; o < kOutputs; ++o) w[o] = load<kWidth>(weight + o * inputs + column);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Vector<kWidth> x = load<kWidth>(input + r * inputs + column);
#pragma GCC unroll 16
        for (int o = 0; o < kOutputs; ++o) parts[r][o] += x * w[o];
      }
    }
    add_totals<kWidth, kRows * kOutputs>(&parts[0][0], &sums[0][0]);
  }
  if constexpr (kWidth > 4) {
    add_dots<kWidth / 2>(input, weight, inputs, column, sums);
  } else if constexpr (kWidth > 1) {
    add_dots<1>(input, weight, inputs, column, sums);
  }
}

void dense_forward(const float* input, const float* weight, const float* bias,
                   const DenseShape& shape, float* output) {
  for_output_pairs(shape.outputs, [&](int64_t first_output, auto pair) {
    for_tiles<kRowTile>(shape.batch, [&](int64_t first_row, auto rows) {
      constexpr int kRows = decltype(rows)::count, kOutputs = decltype(pair)::count;
      float sums[kRows][kOutputs] = {};
      add_dots<kLanes>(input + first_row * shape.inputs, weight + first_output * shape.inputs,
                       shape.inputs, 0, sums);
      for (int r = 0; r < kRows; ++r) {
        float* out = output + (first_row + r) * shape.outputs + first_output;
        for (int o = 0; o < kOutputs; ++o)
          out[o] = sums[r][o] + (bias ? bias[first_output + o] : 0.0f);
      }
    });
  });
}

// Columns from `column` on of the input gradient of kRows rows: kVectors vectors at a time, then
// fewer, then narrower.
template <int kWidth, int kVectors, int kRows>
STARLING_BLOCK void input_gradient_columns(const float* gradient, const float* weight,
                                           const DenseShape& shape, int64_t column,
                                           float* input_gradient) {
  for (; column + kWidth * kVectors <= shape.inputs; column += kWidth * kVectors) {
    Vector<kWidth> sums[kRows][kVectors] = {};
    for (int64_t output = 0; output < shape.outputs; ++output) {
      Vector<kWidth> w[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        w[v] = load<kWidth>(weight + output * shape.inputs + column + v * kWidth);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const float g = gradient[r * shape.outputs + output];
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sums[r][v] += g * w[v];
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        store<kWidth>(input_gradient + r * shape.inputs + column + v * kWidth, sums[r][v]);
    }
  }
  if constexpr (kVectors > 1) {
    input_gradient_columns<kWidth, 1, kRows>(gradient, weight, shape, column, input_gradient);
  } else if constexpr (kWidth > 4) {
    input_gradient_columns<kWidth / 2, 1, kRows>(gradient, weight, shape, column, input_gradient);
  } else if constexpr (kWidth > 1) {
    input_gradient_columns<1, 1, kRows>(gradient, weight, shape, column, input_gradient);
  }
}

void dense_input_gradient(const float* gradient, const float* weight, const DenseShape& shape,
                          float* input_gradient) {
  for_tiles<kRowTile>(shape.batch, [&](int64_t first_row, auto rows) {
    input_gradient_columns<kLanes, 2, decltype(rows)::count>(
        gradient + first_row * shape.outputs, weight, shape, 0,
        input_gradient + first_row * shape.inputs);
  });
}

// Columns from `column` on of kOutputs rows of the target, for kRows rows of the batch.
template <int kWidth, int kRows, int kOutputs>
STARLING_BLOCK void update_columns(const float* input, const float (&factors)[kRows][kOutputs],
                                   int64_t inputs, int64_t column, float keep, float* target) {
  Vector<kWidth> factor[kRows][kOutputs];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int o = 0; o < kOutputs; ++o) factor[r][o] = Vector<kWidth>{} + factors[r][o];
  }
  for (; column + kWidth <= inputs; column += kWidth) {
    Vector<kWidth> sums[kOutputs] = {};
    if (keep != 0.0f) {
#pragma GCC unroll 16
      for (int o = 0; o < kOutputs; ++o)
        sums[o] = keep * load<kWidth>(target + o * inputs + column);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector<kWidth> x = load<kWidth>(input + r * inputs + column);
#pragma GCC unroll 16
      for (int o = 0; o < kOutputs; ++o) sums[o] += factor[r][o] * x;
    }
#pragma GCC unroll 16
    for (int o = 0; o < kOutputs; ++o) store<kWidth>(target + o * inputs + column, sums[o]);
  }
  if constexpr (kWidth > 4) {
    update_columns<kWidth / 2>(input, factors, inputs, column, keep, target);
  } else if constexpr (kWidth > 1) {
    update_columns<1>(input, factors, inputs, column, keep, target);
  }
}

void dense_update(const float* input, const float* gradient, const DenseShape& shape, Update update,
                  float* target) {
  for_output_pairs(shape.outputs, [&](int64_t first_output, auto pair) {
    for_tiles<kRowTile>(shape.batch, [&](int64_t first_row, auto rows) {
      constexpr int kRows = decltype(rows)::count, kOutputs = decltype(pair)::count;
      float factors[kRows][kOutputs];
      for (int r = 0; r < kRows; ++r) {
        const float* g = gradient + (first_row + r) * shape.outputs + first_output;
        for (int o = 0; o < kOutputs; ++o) factors[r][o] = update.scale * g[o];
      }
      update_columns<kLanes>(input + first_row * shape.inputs, factors, shape.inputs, 0,
                             first_row == 0 ? update.keep : 1.0f,
                             target + first_output * shape.inputs);
    });
  });
}

void column_update(const float* gradient, int64_t rows, int64_t columns, Update update,
                   float* target) {
  for (int64_t column = 0; column < columns; ++column) {
    if (update.keep == 0.0f) target[column] = 0.0f;
    target[column] *= update.keep;
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column)
      target[column] += update.scale * gradient[row * columns + column];
  }
}

// NaN stays NaN, as in LibTorch.
void relu(const float* input, int64_t size, float* output) {
  for (int64_t i = 0; i < size; ++i) output[i] = input[i] < 0.0f ? 0.0f : input[i];
}

void relu_gradient(const float* output, const float* gradient, int64_t size, float* result) {
  for (int64_t i = 0; i < size; ++i) result[i] = output[i] <= 0.0f ? 0.0f : gradient[i];
}

constexpr Kernels kBody = {
    dense_forward, dense_input_gradient, dense_update, column_update, relu, relu_gradient, kLanes,
    convolve,      convolution_gradient};

}  // namespace
}  // namespace starling::fused
