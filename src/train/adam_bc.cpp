#include "train/adam_bc.h"

#include <cmath>

namespace starling {
namespace {

class NoOptions final : public torch::optim::OptimizerCloneableOptions<NoOptions> {};

}  // namespace

AdamBc::AdamBc(std::vector<torch::Tensor> parameters, const AdamBcSpec& spec, double factor,
               double noise_deviation)
    : Optimizer(std::move(parameters), std::make_unique<NoOptions>()),
      spec_(spec),
      rate_(spec.learning_rate * factor),
      noise_variance_(noise_deviation * noise_deviation),
      moments_(param_groups().front().params().size()) {}

torch::Tensor AdamBc::step(LossClosure closure) {
  torch::Tensor loss;
  if (closure) {
    const torch::AutoGradMode with_gradients(true);
    loss = closure();
  }
  const torch::NoGradGuard no_grad;
  auto& parameters = param_groups().front().params();
  for (size_t i = 0; i < parameters.size(); ++i)
    if (parameters[i].grad().defined()) descend(parameters[i], moments_[i]);
  return loss;
}

void AdamBc::descend(torch::Tensor& parameter, Moments& moments) const {
  const auto& gradient = parameter.grad();
  const auto [beta_1, beta_2] = spec_.betas;
  if (moments.steps++ == 0) {
    moments.first = torch::zeros_like(gradient);
    moments.second = torch::zeros_like(gradient);
  }
  moments.first.mul_(beta_1).add_(gradient, 1.0 - beta_1);
  moments.second.mul_(beta_2).addcmul_(gradient, gradient, 1.0 - beta_2);
  const auto steps = static_cast<double>(moments.steps);
  const auto second = moments.second.div(1.0 - std::pow(beta_2, steps))
                          .sub_(noise_variance_)
                          .clamp_min_(spec_.floor);
  parameter.addcdiv_(moments.first, second.sqrt_(), -rate_ / (1.0 - std::pow(beta_1, steps)));
}

}  // namespace starling
