#include <torch/autograd.h>

#include <algorithm>
#include <vector>

#include "nn/graph/clipping.h"
#include "starling/core/error.h"
#include "starling/core/grid.h"
#include "starling/privacy/mechanism.h"
#include "train/release.h"

namespace starling {
namespace {

constexpr int64_t kMostExamples = int64_t{1} << 31;  // of a step

std::vector<torch::Tensor> tensors_of(const NamedParameters& named) {
  std::vector<torch::Tensor> tensors;
  for (const auto& [name, parameter] : named) {
    const auto type = parameter.scalar_type();
    if (type != torch::kFloat && type != torch::kDouble)
      throw Error(name + ": secure noise needs float32 or float64 parameters, not " +
                  torch::toString(type));
    tensors.push_back(parameter);
  }
  return tensors;
}

int64_t size_of(const std::vector<torch::Tensor>& tensors) {
  int64_t size = 0;
  for (const auto& tensor : tensors) size += tensor.numel();
  return size;
}

void check(const torch::Tensor& losses) {
  if (losses.dim() != 1 || losses.size(0) > 1)
    throw Error("losses: have shape " + c10::str(losses.sizes()) +
                "; secure noise takes one example at a time, shape [1], or [0] for none");
  if (losses.size(0) == 1 && !losses.requires_grad())
    throw Error("losses: do not depend on any trainable parameter");
}

double squared_norm(std::span<const double> values) {
  double sum = 0.0;
  for (const double value : values) sum += value * value;
  return sum;
}

void scale(std::span<double> values, double factor) {
  for (double& value : values) value *= factor;
}

class GridRelease final : public GradientRelease {
 public:
  GridRelease(const NamedParameters& parameters, const DpSgdPlan& plan)
      : noise_(plan.noise_multiplier, plan.clip_norm),
        scale_(1.0 / plan.divisor()),
        parameters_(tensors_of(parameters)),
        gradient_(static_cast<size_t>(size_of(parameters_))),
        rounded_(gradient_.size()),
        sum_(choose_grid({plan.clip_norm, kMostExamples, noise_.standard_deviation()}),
             size_of(parameters_)) {}

  void begin() override { sum_.clear(); }
  ClippedBackward add(const torch::Tensor& losses, const Clipping& clipping) override;
  ClippedBackward add_example(const std::vector<torch::Tensor>& gradients,
                              const Clipping& clipping) override;
  void finish(RandomStream& noise) override;

 private:
  // Calls work(p, parameter p's values) with each parameter's part of gradient_.
  template <class Work>
  void for_each_part(Work work) {
    auto rest = std::span(gradient_);
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const auto size = static_cast<size_t>(parameters_[p].numel());
      work(p, rest.first(size));
      rest = rest.subspan(size);
    }
  }
  void take_gradient(const std::vector<torch::Tensor>& gradients);
  graph::ClipFactors factors(const Clipping& clipping);

  GaussianNoise noise_;
  double scale_;
  std::vector<torch::Tensor> parameters_;
  std::vector<double> gradient_;  // of one example, all parameters
  std::vector<int64_t> rounded_;  // the same, clipped, in grid steps
  GridSum sum_;
};

void GridRelease::take_gradient(const std::vector<torch::Tensor>& gradients) {
  for_each_part([&](size_t p, std::span<double> values) {
    std::ranges::fill(values, 0.0);
    if (!gradients[p].defined()) return;
    const auto exact = gradients[p].to(torch::kCPU, torch::kDouble).contiguous();
    std::copy_n(exact.data_ptr<double>(), values.size(), values.begin());
  });
}

graph::ClipFactors GridRelease::factors(const Clipping& clipping) {
  auto squares = torch::zeros({std::ssize(parameters_), 1}, torch::kDouble);
  for_each_part([&](size_t p, std::span<const double> values) {
    squares.data_ptr<double>()[p] = squared_norm(values);
  });
  return graph::clip_factors(squares, clipping, torch::kDouble);
}

ClippedBackward GridRelease::add(const torch::Tensor& losses, const Clipping& clipping) {
  check(losses);
  graph::check_clipping(clipping, std::ssize(parameters_));
  if (losses.size(0) == 0) return {torch::zeros({0}, torch::kDouble), 0, 0};
  return add_example(torch::autograd::grad({losses}, parameters_, {}, /*retain_graph=*/false,
                                           /*create_graph=*/false, /*allow_unused=*/true),
                     clipping);
}

ClippedBackward GridRelease::add_example(const std::vector<torch::Tensor>& gradients,
                                         const Clipping& clipping) {
  take_gradient(gradients);
  const auto clip = factors(clipping);
  if (clip.report.non_finite > 0) return clip.report;
  // Flat clipping is left to the grid, which bounds the whole vector whatever the kind.
  if (clipping.kind != Clipping::Kind::flat)
    for_each_part([&](size_t p, std::span<double> values) {
      scale(values, clip.values.data_ptr<double>()[p]);
    });
  clip_to_grid(sum_.grid(), std::span<const double>(gradient_), rounded_);
  sum_.add(rounded_);
  return clip.report;
}

void GridRelease::finish(RandomStream& noise) {
  noise_.add_secure(sum_, noise);
  sum_.decode(std::span(gradient_), scale_);
  for_each_part([&](size_t p, std::span<double> values) {
    const auto mean = torch::from_blob(values.data(), parameters_[p].sizes(), torch::kDouble);
    parameters_[p].mutable_grad() =
        mean.to(parameters_[p].device(), parameters_[p].scalar_type(), /*non_blocking=*/false,
                /*copy=*/true);
  });
}

}  // namespace

std::unique_ptr<GradientRelease> grid_release(const NamedParameters& parameters,
                                              const DpSgdPlan& plan) {
  return std::make_unique<GridRelease>(parameters, plan);
}

}  // namespace starling
