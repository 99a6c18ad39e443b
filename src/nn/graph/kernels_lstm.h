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

}  // namespace
}  // namespace starling::graph
