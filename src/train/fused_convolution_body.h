#pragma once
// Convolutions of one example with its channels last, part of fused_kernels_body.h. Pixels next to
// each other in a row read overlapping runs of kernel_width * channels floats, so that forward pass
// and weight gradient are matrix products whose rows are such runs, without im2col.

#include "train/fused_kernels.h"
#include "train/fused_vector.h"

namespace starling::fused {
namespace {

// call(first vector, Rows<count>): kVectorTile vectors of output channels at a time, then fewer.
template <int kTile, class Call>
STARLING_BLOCK void for_vector_tiles(int64_t vectors, int64_t first, Call call) {
  for (; first + kTile <= vectors; first += kTile) call(first, Rows<kTile>());
  if constexpr (kTile > 1) for_vector_tiles<kTile / 2>(vectors, first, call);
}

// kPixels neighbours in a row of the output x kVectors vectors of channels, held in registers over
// the whole reduction.
template <int kPixels, int kVectors>
STARLING_BLOCK void convolve_block(const float* input, const float* weight, const float* bias,
                                   const ConvolutionShape& shape, int64_t channel, float* output) {
  Vector<kLanes> sums[kPixels][kVectors] = {};
  for (int64_t tap = 0; tap < shape.kernel_height; ++tap) {
    const float* x = input + tap * shape.input_row;
    const float* w = weight + tap * shape.run * shape.columns + channel;
    for (int64_t i = 0; i < shape.run; ++i, ++x, w += shape.columns) {
      Vector<kLanes> row[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) row[v] = load<kLanes>(w + v * kLanes);
#pragma GCC unroll 16
      for (int p = 0; p < kPixels; ++p) {
        const float value = x[p * shape.step];
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sums[p][v] += value * row[v];
      }
    }
  }
  const int64_t last = shape.outputs - channel;
  for (int p = 0; p < kPixels; ++p) {
    for (int64_t c = 0; c < kVectors * kLanes && c < last; ++c)
      output[p * shape.outputs + channel + c] =
          sums[p][c / kLanes][c % kLanes] + (bias ? bias[channel + c] : 0.0f);
  }
}

void convolve(const float* input, const float* weight, const float* bias,
              const ConvolutionShape& shape, float* output) {
  for_vector_tiles<kVectorTile>(shape.columns / kLanes, 0, [&](int64_t vector, auto vectors) {
    for (int64_t y = 0; y < shape.height; ++y) {
      const float* from = input + y * shape.step_down;
      float* to = output + y * shape.width * shape.outputs;
      for_tiles<kPixelTile>(shape.width, [&](int64_t x, auto pixels) {
        convolve_block<decltype(pixels)::count, decltype(vectors)::count>(
            from + x * shape.step, weight, bias, shape, vector * kLanes, to + x * shape.outputs);
      });
    }
  });
}

// kRows floats of a kernel row's run x kVectors vectors of channels, over all pixels.
template <int kRows, int kVectors>
STARLING_BLOCK void gradient_block(const float* input, const float* gradient,
                                   const ConvolutionShape& shape, const GradientLayout& layout,
                                   float* result) {
  Vector<kLanes> sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      sums[r][v] = load<kLanes>(result + r * shape.columns + v * kLanes);
  }
  for (int64_t y = 0; y < shape.height; ++y) {
    const float* x = input + y * shape.step_down;
    const float* g = gradient + y * layout.row;
    for (int64_t pixel = 0; pixel < shape.width; ++pixel, x += shape.step, g += layout.step) {
      Vector<kLanes> values[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) values[v] = load<kLanes>(g + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sums[r][v] += x[r] * values[v];
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      store<kLanes>(result + r * shape.columns + v * kLanes, sums[r][v]);
  }
}

void convolution_gradient(const float* input, const float* gradient, const ConvolutionShape& shape,
                          const GradientLayout& layout, float* result) {
  for_vector_tiles<kVectorTile>(shape.columns / kLanes, 0, [&](int64_t vector, auto vectors) {
    for (int64_t tap = 0; tap < shape.kernel_height; ++tap) {
      const float* from = input + tap * shape.input_row;
      float* to = result + tap * shape.run * shape.columns + vector * kLanes;
      for_tiles<kPixelTile>(shape.run, [&](int64_t first, auto rows) {
        gradient_block<decltype(rows)::count, decltype(vectors)::count>(
            from + first, gradient + vector * kLanes, shape, layout, to + first * shape.columns);
      });
    }
  });
}

}  // namespace
}  // namespace starling::fused
