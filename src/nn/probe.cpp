#include "starling/nn/probe.h"

#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>

#include "nn/batch_norm.h"
#include "nn/graph/one_at_a_time.h"
#include "nn/probe_inputs.h"
#include "starling/core/error.h"
#include "starling/nn/per_example.h"

namespace starling {
namespace {

constexpr double kOutputTolerance = 1e-4;  // relative: kernels may round otherwise for other data
constexpr double kNormTolerance = 1e-3;    // relative, float32
constexpr double kRoundingShare = 1e-2;
constexpr uint64_t kInputSeed = 20240229;

using Forward = std::function<torch::Tensor(const torch::Tensor&)>;

void check_modules(const torch::nn::Module& module) {
  for (const auto& item : module.named_modules()) {
    if (!is_batch_norm(*item.value()) || !item.value()->is_training()) continue;
    throw Error("module " + item.key() +
                ": batch normalisation in training mode mixes the examples of a batch; use "
                "GroupNorm, or put the layer into evaluation mode");
  }
}

double largest(const torch::Tensor& tensor) {
  return tensor.numel() == 0 ? 0.0 : tensor.abs().max().item<double>();
}

// The largest difference, relative to the largest expected value; `floor` bounds that from below.
double relative_difference(const torch::Tensor& actual, const torch::Tensor& expected,
                           double floor = 1e-12) {
  if (expected.numel() == 0) return 0;
  const double scale = std::max(largest(expected), floor);
  const double difference = (actual - expected).abs().max().item<double>() / scale;
  return std::isnan(difference) ? INFINITY : difference;
}

void check_outputs(const torch::Tensor& outputs, int64_t batch) {
  if (outputs.dim() > 0 && outputs.size(0) == batch) return;
  throw Error("the model's output has shape " + c10::str(outputs.sizes()) + " for " +
              std::to_string(batch) + " examples; its first axis must be the examples");
}

// Another example 0 leaves the outputs of the others as they are.
void check_independence(torch::nn::Module& module, const Forward& forward, const ProbeInput& input,
                        const torch::Tensor& inputs, Restore& restore) {
  torch::NoGradGuard no_grad;
  restore.rewind();
  const auto outputs = forward(inputs);
  check_outputs(outputs, input.batch);
  auto changed = inputs.clone();
  changed[0].copy_(synthetic(input, 1, module, kInputSeed + 1)[0]);
  restore.rewind();
  const auto others = forward(changed).slice(0, 1);
  if (relative_difference(others, outputs.slice(0, 1)) <= kOutputTolerance) return;
  throw Error(
      "the model mixes the examples of a batch: another first example changes the outputs of the "
      "others; look for statistics taken over the batch axis, and normalise over each example "
      "(GroupNorm, LayerNorm) instead");
}

struct Sums {
  ClippedBackward report;
  std::vector<torch::Tensor> gradients;
};

std::vector<torch::Tensor> take_gradients(std::vector<torch::Tensor>& leaves) {
  std::vector<torch::Tensor> gradients;
  for (auto& leaf : leaves) {
    gradients.push_back(leaf.grad());
    leaf.mutable_grad() = torch::Tensor();
  }
  return gradients;
}

void compare(const std::vector<std::string>& names, const Sums& actual, const Sums& expected,
             ProbeReport& report) {
  // A gradient that is zero but for rounding (a bias before a normalisation) is held to the size of
  // the others.
  double floor = 1e-12;
  for (const auto& gradient : expected.gradients)
    floor = std::max(floor, kRoundingShare * largest(gradient));
  for (size_t p = 0; p < names.size(); ++p) {
    const double error = relative_difference(actual.gradients[p], expected.gradients[p], floor);
    if (error <= kNormTolerance) continue;
    throw Error(module_of(names[p]) + ": the gradient of " + names[p] + " differs by " +
                std::to_string(error) +
                " of its size from one example at a time; this model "
                "cannot be trained privately");
  }
  const auto ratio =
      (actual.report.norms - expected.report.norms).abs() / expected.report.norms.clamp_min(1e-12);
  report.norm_error = ratio.max().item<double>();
  if (report.norm_error <= kNormTolerance) return;
  throw Error("per-example gradient norms differ by " + std::to_string(report.norm_error) +
              " from one example at a time; this model cannot be trained privately");
}

}  // namespace

ProbeReport probe(torch::nn::Module& module, const Forward& forward, const ProbeInput& input) {
  if (input.batch < 2) throw Error("probe: a batch of at least 2 examples is needed");
  check_modules(module);
  Restore restore(module);
  const auto inputs = synthetic(input, input.batch, module, kInputSeed);
  check_independence(module, forward, input, inputs, restore);

  const NamedParameters parameters = trainable(module);
  std::vector<std::string> names;
  std::vector<torch::Tensor> leaves;
  for (const auto& [name, tensor] : parameters) {
    names.push_back(name);
    leaves.push_back(tensor);
  }
  Clipping clipping;  // a bound on every example, so that sums show each one's weight
  PerExampleGradients engine(parameters);
  Sums actual, expected;
  restore.rewind();
  actual.report = engine.backward(synthetic_losses(forward(inputs)), clipping);
  actual.gradients = take_gradients(leaves);
  restore.rewind();
  expected.report = graph::one_at_a_time(synthetic_losses(forward(inputs)), leaves, clipping);
  expected.gradients = take_gradients(leaves);

  ProbeReport report;
  report.examples = input.batch;
  report.without_rule = engine.without_rule();
  compare(names, actual, expected, report);
  return report;
}

}  // namespace starling
