#pragma once
// The one harness of the gradient engine: whatever it computes is compared with the gradient of
// each example alone, in float64, on the device of test_device.h. The oracle runs the forward pass
// on one example at a time, so that it shares no graph with the engine.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nn/test_device.h"
#include "starling/nn/per_example.h"

namespace starling::testing {

constexpr double kTolerance = 1e-9;        // relative to the largest entry, float64
constexpr double kSingleTolerance = 2e-4;  // float32
constexpr double kSmall = 2e-2;            // entries below it may be others that cancel

// Small operations on a busy machine: one thread is faster than several.
inline const bool kOneThread = (torch::set_num_threads(1), true);

struct Subject {
  NamedParameters parameters;
  std::function<torch::Tensor(int64_t batch)> inputs;         // [batch, ...]
  std::function<torch::Tensor(const torch::Tensor&)> losses;  // inputs -> [batch]
};

struct Answer {
  std::vector<torch::Tensor> sums;  // one a trainable parameter
  torch::Tensor norms;              // [B] on the CPU
  int64_t non_finite = 0, clipped = 0;
};

// A smooth loss of any output, different for every entry.
inline torch::Tensor loss_of(const torch::Tensor& output) {
  const auto flat = output.flatten(1);
  const auto phase = torch::arange(flat.size(1), flat.options());
  return (flat * (1 + 0.1 * phase).cos() + 0.3 * flat.square()).sum(1);
}

template <class Holder>
NamedParameters parameters_of(const Holder& module) {
  NamedParameters parameters;
  for (const auto& item : module->named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  return parameters;
}

// Drawn on the CPU, so that every device has the same.
inline torch::Tensor normal(torch::IntArrayRef shape, torch::ScalarType dtype = torch::kFloat64) {
  return torch::randn(shape, dtype).to(test_device());
}

// A module holder with one input and one output, on inputs of `shape` an example.
template <class Holder>
Subject subject_of(Holder module, std::vector<int64_t> shape,
                   torch::ScalarType dtype = torch::kFloat64) {
  module->to(test_device(), dtype);
  Subject subject;
  subject.parameters = parameters_of(module);
  subject.inputs = [shape, dtype](int64_t batch) {
    auto sizes = shape;
    sizes.insert(sizes.begin(), batch);
    return normal(sizes, dtype);
  };
  subject.losses = [module](const torch::Tensor& inputs) mutable {
    return loss_of(module->forward(inputs));
  };
  return subject;
}

// Some of LibTorch's layers cannot run on an empty batch; their caller passes no losses.
inline torch::Tensor losses_of(const Subject& subject, const torch::Tensor& inputs) {
  try {
    return subject.losses(inputs);
  } catch (const c10::Error&) {
    if (inputs.size(0) > 0) throw;
    return torch::zeros({0}, torch::kFloat64).to(test_device());
  }
}

inline std::vector<torch::Tensor> trainable(const Subject& subject) {
  std::vector<torch::Tensor> leaves;
  for (const auto& [name, tensor] : subject.parameters) {
    if (tensor.requires_grad()) leaves.push_back(tensor);
  }
  return leaves;
}

inline void clear_gradients(const Subject& subject) {
  for (auto& leaf : trainable(subject)) leaf.mutable_grad() = torch::Tensor();
}

inline double factor(const Clipping& clipping, double norm, double layer_norm, size_t layer,
                     size_t layers) {
  switch (clipping.kind) {
    case Clipping::Kind::flat:
      return std::min(1.0, clipping.norm / norm);
    case Clipping::Kind::per_layer: {
      const double bound = clipping.layer_norms.empty()
                               ? clipping.norm / std::sqrt(static_cast<double>(layers))
                               : clipping.layer_norms[layer];
      return std::min(1.0, bound / layer_norm);
    }
    case Clipping::Kind::automatic:
      return clipping.norm / (norm + clipping.stability);
  }
  return NAN;
}

// Each example alone: its own forward pass and its own backward pass.
inline Answer one_example_at_a_time(const Subject& subject, const torch::Tensor& inputs,
                                    const Clipping& clipping) {
  const auto leaves = trainable(subject);
  Answer answer;
  answer.norms = torch::zeros({inputs.size(0)}, torch::kFloat64);
  for (const auto& leaf : leaves)
    answer.sums.push_back(torch::zeros_like(leaf).to(torch::kFloat64));
  for (int64_t b = 0; b < inputs.size(0); ++b) {
    const auto loss = subject.losses(inputs.slice(0, b, b + 1));
    const auto gradients = torch::autograd::grad({loss.sum()}, leaves, {}, false, false, true);
    double square = 0;
    std::vector<double> layer(leaves.size(), 0.0);
    for (size_t p = 0; p < leaves.size(); ++p) {
      if (!gradients[p].defined()) continue;
      layer[p] = gradients[p].to(torch::kFloat64).norm().item<double>();
      square += layer[p] * layer[p];
    }
    const double norm = std::sqrt(square);
    answer.norms[b] = norm;
    if (!std::isfinite(norm)) {
      ++answer.non_finite;
      continue;
    }
    for (size_t p = 0; p < leaves.size(); ++p) {
      if (!gradients[p].defined()) continue;
      const double scale = layer[p] == 0 ? 1.0 : factor(clipping, norm, layer[p], p, leaves.size());
      answer.sums[p].add_(gradients[p].detach().to(torch::kFloat64), scale);
    }
  }
  return answer;
}

// The engine on the batch, split into chunks of at most `chunk` examples (0: one batch).
inline Answer clipped_sums(const Subject& subject, const torch::Tensor& inputs,
                           const Clipping& clipping, int64_t chunk = 0) {
  clear_gradients(subject);
  PerExampleGradients engine(subject.parameters);
  Answer answer;
  std::vector<torch::Tensor> norms;
  const int64_t batch = inputs.size(0), size = chunk > 0 ? chunk : std::max<int64_t>(batch, 1);
  for (int64_t begin = 0; begin == 0 || begin < batch; begin += size) {
    const auto part = inputs.slice(0, begin, std::min(batch, begin + size));
    const auto report = engine.backward(losses_of(subject, part), clipping);
    norms.push_back(report.norms);
    answer.non_finite += report.non_finite;
    answer.clipped += report.clipped;
  }
  answer.norms = torch::cat(norms);
  for (const auto& leaf : trainable(subject)) answer.sums.push_back(leaf.grad().clone());
  clear_gradients(subject);
  return answer;
}

inline void expect_close(const torch::Tensor& actual, const torch::Tensor& expected,
                         const std::string& what, double tolerance = kTolerance) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  if (expected.numel() == 0) return;
  const double scale = expected.abs().max().item<double>();
  const double error = (actual.to(torch::kFloat64) - expected).abs().max().item<double>();
  if (!(error <= tolerance * (scale + kSmall))) {
    ADD_FAILURE() << what << ": differs by " << error << " where the largest entry is " << scale;
  }
}

inline void expect_same(const Subject& subject, const Answer& actual, const Answer& expected,
                        const std::string& what, double tolerance = kTolerance) {
  expect_close(actual.norms, expected.norms, what + ": norms", tolerance);
  EXPECT_EQ(actual.non_finite, expected.non_finite) << what;
  size_t p = 0;
  for (const auto& [name, tensor] : subject.parameters) {
    if (!tensor.requires_grad()) continue;
    expect_close(actual.sums[p], expected.sums[p], what + ": " + name, tolerance);
    ++p;
  }
}

inline std::vector<Clipping> clippings(size_t layers) {
  Clipping flat, tight, per_layer, uneven, automatic;
  flat.norm = 0.7;
  tight.norm = 1e-3;
  per_layer.kind = Clipping::Kind::per_layer;
  uneven.kind = Clipping::Kind::per_layer;
  for (size_t p = 0; p < layers; ++p)
    uneven.layer_norms.push_back(0.1 * static_cast<double>(p + 1));
  double squares = 0;
  for (double bound : uneven.layer_norms) squares += bound * bound;
  uneven.norm = std::sqrt(squares);
  automatic.kind = Clipping::Kind::automatic;
  automatic.norm = 0.3;
  return {flat, tight, per_layer, uneven, automatic};
}

// Every clipping and chunking on batches of 0, 1, 2 and odd sizes.
inline void expect_one_at_a_time(const Subject& subject, const std::string& what,
                                 double tolerance = kTolerance) {
  for (int64_t batch : {3, 0, 1, 2, 7}) {
    const auto inputs = subject.inputs(batch);
    for (const auto& clipping : clippings(trainable(subject).size())) {
      const auto expected = one_example_at_a_time(subject, inputs, clipping);
      for (int64_t chunk : {0, 1, 2, 3}) {
        if (chunk >= std::max<int64_t>(batch, 1)) continue;
        const auto place = what + ", batch " + std::to_string(batch) + ", chunk " +
                           std::to_string(chunk) + ", clipping " +
                           std::to_string(static_cast<int>(clipping.kind));
        expect_same(subject, clipped_sums(subject, inputs, clipping, chunk), expected, place,
                    tolerance);
      }
    }
  }
}

// The same for a module that runs in either type.
template <class Holder>
void expect_exact(Holder module, std::vector<int64_t> shape, const std::string& what) {
  expect_one_at_a_time(subject_of(module, shape), what);
  expect_one_at_a_time(subject_of(module, shape, torch::kFloat32), what + " in float32",
                       kSingleTolerance);
}

}  // namespace starling::testing
