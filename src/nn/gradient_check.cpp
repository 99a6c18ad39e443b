#include "starling/nn/gradient_check.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/probe_inputs.h"
#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kStep = 1e-7;  // rounding costs about 1e-9 of the loss, curvature 1e-14
constexpr double kTolerance = 1e-4;
constexpr double kSmallShare = 1e-2;
constexpr double kUnclipped = 1e100;
constexpr int64_t kCoordinates = 8;
constexpr uint64_t kSeed = 20240301;

using Loss = std::function<double()>;

// Directions in the space of one parameter: a few coordinates, then all of them at once.
std::vector<torch::Tensor> directions_for(const torch::Tensor& parameter, at::Generator generator) {
  std::vector<torch::Tensor> directions;
  const int64_t size = parameter.numel();
  const auto chosen = torch::randperm(size, generator, torch::kInt64);
  for (int64_t i = 0; i < std::min(size, kCoordinates); ++i) {
    auto direction = torch::zeros({size}, torch::kFloat64);
    direction[chosen[i].item<int64_t>()] = 1.0;
    directions.push_back(direction.view(parameter.sizes()));
  }
  const auto all = torch::randn({size}, generator, torch::kFloat64);
  directions.push_back((all / all.norm()).view(parameter.sizes()));
  return directions;
}

class Differences {
 public:
  Differences(Loss loss, double smallest_scale)
      : loss_(std::move(loss)), here_(loss_()), smallest_scale_(smallest_scale) {}

  // Moves `parameter` along `direction`, forth and back.
  void compare(const std::string& name, torch::Tensor parameter, const torch::Tensor& gradient,
               const torch::Tensor& direction) {
    const auto start = parameter.clone();
    parameter.copy_(start + kStep * direction);
    const double ahead = loss_();
    parameter.copy_(start - kStep * direction);
    const double behind = loss_();
    parameter.copy_(start);
    judge(name, (gradient * direction).sum().item<double>(), ahead, behind);
  }

  const GradientCheck& report() const { return report_; }

 private:
  void judge(const std::string& name, double derivative, double ahead, double behind) {
    const double measured = (ahead - behind) / (2 * kStep);
    const double scale = std::max({std::abs(measured), std::abs(derivative), smallest_scale_});
    const double error = std::abs(measured - derivative) / scale;
    if (error <= kTolerance) {
      ++report_.compared;
      report_.error = std::max(report_.error, error);
      return;
    }
    // Where the slopes to both sides differ, the loss has a corner and no derivative to compare.
    const double bend = std::abs(ahead - 2 * here_ + behind) / kStep;
    if (bend > kTolerance * scale) {
      ++report_.kinks;
      return;
    }
    throw Error(module_of(name) + ": the gradient of " + name + " is " +
                std::to_string(derivative) +
                " along a direction in which central differences give " + std::to_string(measured));
  }

  Loss loss_;
  double here_;
  double smallest_scale_;
  GradientCheck report_;
};

}  // namespace

GradientCheck check_gradients(torch::nn::Module& module,
                              const std::function<torch::Tensor(const torch::Tensor&)>& forward,
                              const ProbeInput& input) {
  const NamedParameters parameters = trainable(module);
  for (const auto& [name, tensor] : parameters)
    if (tensor.scalar_type() != torch::kFloat64)
      throw Error("gradient check: " + name +
                  " is not float64, and differences need its digits; convert the module first");
  Restore restore(module);
  const auto inputs = synthetic(input, input.batch, module, kSeed);
  restore.rewind();
  Clipping clipping;
  clipping.norm = kUnclipped;
  PerExampleGradients(parameters).backward(synthetic_losses(forward(inputs)), clipping);

  torch::NoGradGuard no_grad;
  double largest = 0;
  for (const auto& [name, tensor] : parameters)
    if (tensor.numel() > 0) largest = std::max(largest, tensor.grad().abs().max().item<double>());
  const auto loss = [&] {
    restore.rewind();
    return synthetic_losses(forward(inputs)).sum().item<double>();
  };
  Differences differences(loss, std::max(kSmallShare * largest, 1e-12));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(kSeed);
  for (const auto& [name, tensor] : parameters) {
    const auto gradient = tensor.grad().clone();
    for (const auto& direction : directions_for(tensor, generator))
      differences.compare(name, tensor, gradient, direction.to(tensor.device()));
  }
  if (differences.report().compared == 0 && !parameters.empty())
    throw Error("gradient check: the loss has a corner along every direction that was tried");
  return differences.report();
}

}  // namespace starling
