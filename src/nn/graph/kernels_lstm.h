#pragma once
// Gates and recursion of an LSTM; included by kernels_body.h only.

#include "nn/graph/kernels_vector.h"

namespace starling::graph {
namespace {

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

void lstm_activate(float* gates, int64_t rows, int64_t hidden) {
  for (int64_t row = 0; row < rows; ++row) {
    float* gate = gates + row * 4 * hidden;
    for (int64_t j = 0; j < hidden; j += kLanes<float>) {
      const int64_t count = hidden - j;
      for (int64_t part = 0; part < 4; ++part) {
        float* const at = gate + part * hidden + j;
        const Floats sum = load(at, count);
        store(at, part == 2 ? hyperbolic_tangent(sum) : sigmoid(sum), count);
      }
    }
  }
}

// The larger of the two sizes where x is finite; a difference that is no number is infinite.
inline Floats larger(Floats most, Floats difference, Floats x) {
  const Floats size = difference < 0.0f ? -difference : difference;
  const Floats known = size == size ? size : Floats{} + __builtin_inff();
  const Integers counts = (x - x == 0.0f) & (known > most);
  return counts ? known : most;
}

float lstm_cells(const float* gates, int64_t step, const float* outputs, float* cells,
                 float* squashed, int64_t rows, int64_t batch, int64_t hidden) {
  Floats most{};
  for (int64_t row = 0; row < rows; ++row) {
    const float* gate = gates + row * step;
    const float* before = cells + row * hidden;
    float* after = cells + (row + batch) * hidden;
    for (int64_t j = 0; j < hidden; j += kLanes<float>) {
      const int64_t count = hidden - j;
      const Floats cell = load(gate + hidden + j, count) * load(before + j, count) +
                          load(gate + j, count) * load(gate + 2 * hidden + j, count);
      const Floats squash = hyperbolic_tangent(cell);
      const Floats output = load(outputs + row * hidden + j, count);
      store(after + j, cell, count);
      store(squashed + row * hidden + j, squash, count);
      most = larger(most, load(gate + 3 * hidden + j, count) * squash - output, output);
    }
  }
  float largest = 0;
  for (int i = 0; i < kLanes<float>; ++i) largest = most[i] > largest ? most[i] : largest;
  return largest;
}

void lstm_step_back(const LstmStep& in, float* cell_gradient, float* gate_gradients,
                    float* bias_gradients) {
  const int64_t hidden = in.hidden;
  for (int64_t b = 0; b < in.batch; ++b) {
    const float* gate = in.gates + b * in.gate_step;
    float* const result = gate_gradients + b * 4 * hidden;
    float* const sum = bias_gradients + b * 4 * hidden;
    for (int64_t j = 0; j < hidden; j += kLanes<float>) {
      const int64_t count = hidden - j, at = b * hidden + j;
      const Floats input = load(gate + j, count), forget = load(gate + hidden + j, count);
      const Floats cell = load(gate + 2 * hidden + j, count);
      const Floats output = load(gate + 3 * hidden + j, count);
      const Floats squashed = load(in.squashed + at, count);
      Floats dh = load(in.hidden_gradient + at, count);
      if (in.output_gradient != nullptr) {
        dh += load(in.output_gradient + b * in.output_step + j, count);
      }
      const Floats dc =
          load(cell_gradient + at, count) + dh * output * (1.0f - squashed * squashed);
      const Floats parts[4] = {dc * cell * input * (1.0f - input),
                               dc * load(in.cells + at, count) * forget * (1.0f - forget),
                               dc * input * (1.0f - cell * cell),
                               dh * squashed * output * (1.0f - output)};
#pragma GCC unroll 4
      for (int64_t part = 0; part < 4; ++part) {
        store(result + part * hidden + j, parts[part], count);
        store(sum + part * hidden + j, load(sum + part * hidden + j, count) + parts[part], count);
      }
      store(cell_gradient + at, dc * forget, count);
    }
  }
}

}  // namespace
}  // namespace starling::graph
