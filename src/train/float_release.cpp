#include "starling/core/error.h"
#include "train/release.h"

namespace starling {
namespace {

void add_noise(torch::Tensor gradient, RandomStream& stream, double deviation, double scale) {
  auto values = gradient.device().is_cpu() ? gradient : gradient.cpu();
  const auto count = static_cast<size_t>(values.numel());
  if (values.scalar_type() == torch::kFloat) {
    stream.add_normal(std::span(values.data_ptr<float>(), count), deviation, scale);
  } else if (values.scalar_type() == torch::kDouble) {
    stream.add_normal(std::span(values.data_ptr<double>(), count), deviation, scale);
  } else {
    throw Error("noise needs float32 or float64 parameters");
  }
  if (!gradient.device().is_cpu()) gradient.copy_(values);
}

class FloatRelease final : public GradientRelease {
 public:
  FloatRelease(const NamedParameters& parameters, const DpSgdPlan& plan)
      : deviation_(plan.noise_standard_deviation()),
        scale_(1.0 / plan.divisor()),
        gradients_(parameters) {
    for (const auto& item : parameters) parameters_.push_back(item.second);
  }

  // Clipped sums start from nothing: a gradient left by anyone else is not clipped.
  void begin() override {
    for (auto& parameter : parameters_) parameter.mutable_grad() = torch::Tensor();
  }

  ClippedBackward add(const torch::Tensor& losses, const Clipping& clipping) override {
    return gradients_.backward(losses, clipping);
  }

  ClippedBackward add_example(const std::vector<torch::Tensor>&, const Clipping&) override {
    throw Error("fast noise takes the losses of a batch; secure noise takes gradients");
  }

  void finish(RandomStream& noise) override {
    for (auto& parameter : parameters_) {
      auto& sum = parameter.mutable_grad();
      if (!sum.defined()) sum = torch::zeros_like(parameter, torch::MemoryFormat::Contiguous);
      if (!sum.is_contiguous()) sum = sum.contiguous();
      add_noise(sum, noise, deviation_, scale_);
    }
  }

 private:
  double deviation_;
  double scale_;
  std::vector<torch::Tensor> parameters_;
  PerExampleGradients gradients_;
};

}  // namespace

std::unique_ptr<GradientRelease> float_release(const NamedParameters& parameters,
                                               const DpSgdPlan& plan) {
  return std::make_unique<FloatRelease>(parameters, plan);
}

}  // namespace starling
