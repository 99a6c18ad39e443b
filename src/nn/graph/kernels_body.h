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

using Floats = VectorOf<float>::type;
typedef int32_t Integers __attribute__((vector_size(kVectorBytes)));

// exp to two units in the last place: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes).
inline Floats exponential(Floats x) {
  x = x < -87.0f ? Floats{} - 87.0f : x;
  x = x > 88.0f ? Floats{} + 88.0f : x;
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const Floats n = (x * 1.44269504f + kRounder) - kRounder;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  const Integers power = (__builtin_convertvector(n, Integers) + 127) << 23;
  return y * reinterpret_cast<const Floats&>(power);
}

inline Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }
inline Floats hyperbolic_tangent(Floats x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }

// A NaN survives: comparisons with it are false and every operation keeps it.
inline Floats load(const float* from, int64_t count) {
  if (count >= kLanes<float>) return *reinterpret_cast<const Floats*>(from);
  Floats values{};
  for (int64_t i = 0; i < count; ++i) values[i] = from[i];
  return values;
}

inline void store(float* to, Floats values, int64_t count) {
  if (count >= kLanes<float>) {
    *reinterpret_cast<Floats*>(to) = values;
    return;
  }
  for (int64_t i = 0; i < count; ++i) to[i] = values[i];
}

void lstm_activate(float* gates, float* cells, int64_t rows, int64_t batch, int64_t hidden) {
  for (int64_t row = 0; row < rows; ++row) {
    float* gate = gates + row * 4 * hidden;
    const float* before = cells + row * hidden;
    float* after = cells + (row + batch) * hidden;
    for (int64_t j = 0; j < hidden; j += kLanes<float>) {
      const int64_t count = hidden - j;
      const Floats input = sigmoid(load(gate + j, count));
      const Floats forget = sigmoid(load(gate + hidden + j, count));
      const Floats cell = hyperbolic_tangent(load(gate + 2 * hidden + j, count));
      const Floats output = sigmoid(load(gate + 3 * hidden + j, count));
      store(gate + j, input, count);
      store(gate + hidden + j, forget, count);
      store(gate + 2 * hidden + j, cell, count);
      store(gate + 3 * hidden + j, output, count);
      store(after + j, forget * load(before + j, count) + input * cell, count);
    }
  }
}

void lstm_step_back(const float* gates, const float* cells, const float* output_gradient,
                    const float* hidden_gradient, float* cell_gradient, float* gate_gradients,
                    int64_t batch, int64_t hidden) {
  for (int64_t b = 0; b < batch; ++b) {
    const float* gate = gates + b * 4 * hidden;
    float* result = gate_gradients + b * 4 * hidden;
    for (int64_t j = 0; j < hidden; j += kLanes<float>) {
      const int64_t count = hidden - j, at = b * hidden + j;
      const Floats input = load(gate + j, count), forget = load(gate + hidden + j, count);
      const Floats cell = load(gate + 2 * hidden + j, count);
      const Floats output = load(gate + 3 * hidden + j, count);
      const Floats squashed = hyperbolic_tangent(load(cells + batch * hidden + at, count));
      Floats dh = load(hidden_gradient + at, count);
      if (output_gradient != nullptr) dh += load(output_gradient + at, count);
      const Floats dc =
          load(cell_gradient + at, count) + dh * output * (1.0f - squashed * squashed);
      store(result + j, dc * cell * input * (1.0f - input), count);
      store(result + hidden + j, dc * load(cells + at, count) * forget * (1.0f - forget), count);
      store(result + 2 * hidden + j, dc * input * (1.0f - cell * cell), count);
      store(result + 3 * hidden + j, dh * squashed * output * (1.0f - output), count);
      store(cell_gradient + at, dc * forget, count);
    }
  }
}

constexpr Kernels kBody{convolution<float>, convolution<double>, squares<float>, squares<double>,
                        moments<float>,     moments<double>,     lstm_activate,  lstm_step_back};

}  // namespace
}  // namespace starling::graph
