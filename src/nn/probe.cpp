#include "starling/nn/probe.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "nn/batch_norm.h"
#include "nn/graph/one_at_a_time.h"
#include "starling/core/error.h"
#include "starling/nn/per_example.h"

namespace starling {
namespace {

constexpr double kOutputTolerance = 1e-4;  // relative: kernels may round otherwise for other data
constexpr double kNormTolerance = 1e-3;    // relative, float32
constexpr double kRoundingShare = 1e-2;
constexpr uint64_t kInputSeed = 20240229;

using Forward = std::function<torch::Tensor(const torch::Tensor&)>;

// Random state, gradients and buffers as they were, whatever happens in between.
class Restore {
 public:
  explicit Restore(torch::nn::Module& module)
      : generator_(at::globalContext().defaultGenerator(at::kCPU)), state_(generator_.get_state()) {
    for (auto& parameter : module.parameters()) {
      gradients_.emplace_back(parameter, parameter.grad());
      parameter.mutable_grad() = torch::Tensor();
    }
    for (auto& buffer : module.buffers()) buffers_.emplace_back(buffer, buffer.clone());
  }
  ~Restore() {
    torch::NoGradGuard no_grad;
    rewind();
    for (auto& [parameter, gradient] : gradients_) parameter.mutable_grad() = gradient;
    for (auto& [buffer, copy] : buffers_) buffer.copy_(copy);
  }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

  // The same dropout masks again.
  void rewind() { generator_.set_state(state_); }

 private:
  at::Generator generator_;
  torch::Tensor state_;
  std::vector<std::pair<torch::Tensor, torch::Tensor>> gradients_, buffers_;
};

void check_modules(const torch::nn::Module& module) {
  for (const auto& item : module.named_modules()) {
    if (!is_batch_norm(*item.value()) || !item.value()->is_training()) continue;
    throw Error("module " + item.key() +
                ": batch normalisation in training mode mixes the examples of a batch; use "
                "GroupNorm, or put the layer into evaluation mode");
  }
}

torch::Tensor synthetic(const ProbeInput& input, int64_t batch, const torch::nn::Module& module,
                        uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  auto sizes = input.shape;
  sizes.insert(sizes.begin(), batch);
  const auto parameters = module.parameters();
  const auto options = parameters.empty() ? torch::TensorOptions() : parameters.front().options();
  if (input.vocabulary > 0) {
    return torch::randint(input.vocabulary, sizes, generator, torch::kInt64).to(options.device());
  }
  return torch::randn(sizes, generator, options.device(at::kCPU).requires_grad(false))
      .to(options.device());
}

// A smooth loss with a different weight for every output.
torch::Tensor losses_of(const torch::Tensor& outputs) {
  const auto flat = outputs.reshape({outputs.size(0), -1});
  const auto phase = torch::arange(flat.size(1), flat.options());
  return (flat * (phase + 1).cos()).sum(1) + 0.5 * flat.square().sum(1);
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

std::string module_of(const std::string& parameter) {
  const auto dot = parameter.rfind('.');
  return dot == std::string::npos ? "the model" : "module " + parameter.substr(0, dot);
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

  NamedParameters parameters;
  std::vector<std::string> names;
  std::vector<torch::Tensor> leaves;
  for (const auto& item : module.named_parameters()) {
    const auto& tensor = item.value();
    const bool known = std::any_of(leaves.begin(), leaves.end(),
                                   [&](const auto& leaf) { return leaf.is_same(tensor); });
    if (!tensor.requires_grad() || known) continue;
    parameters.emplace_back(item.key(), tensor);
    names.push_back(item.key());
    leaves.push_back(tensor);
  }
  Clipping clipping;  // a bound on every example, so that sums show each one's weight
  PerExampleGradients engine(parameters);
  Sums actual, expected;
  restore.rewind();
  actual.report = engine.backward(losses_of(forward(inputs)), clipping);
  actual.gradients = take_gradients(leaves);
  restore.rewind();
  expected.report = graph::one_at_a_time(losses_of(forward(inputs)), leaves, clipping);
  expected.gradients = take_gradients(leaves);

  ProbeReport report;
  report.examples = input.batch;
  report.without_rule = engine.without_rule();
  compare(names, actual, expected, report);
  return report;
}

}  // namespace starling
