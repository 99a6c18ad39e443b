#include "starling/train/correction.h"

#include <torch/optim/optimizer.h>

namespace starling {
namespace {

namespace optim = torch::optim;

class Corrected final : public optim::Optimizer {
 public:
  Corrected(std::unique_ptr<optim::Optimizer> inner,
            std::shared_ptr<const GradientCorrection> correction)
      : optim::Optimizer(inner->param_groups(), inner->defaults().clone()),
        inner_(std::move(inner)),
        correction_(std::move(correction)) {}

  torch::Tensor step(LossClosure closure) override {
    const torch::NoGradGuard no_grad;
    size_t p = 0;
    for (auto& group : inner_->param_groups())
      for (auto& parameter : group.params()) correct(parameter, p++);
    return inner_->step(std::move(closure));
  }

 private:
  void correct(const torch::Tensor& parameter, size_t p) const {
    auto& gradient = parameter.mutable_grad();
    if (!gradient.defined()) return;
    if (correction_->proximal > 0.0)
      gradient.add_(parameter.detach() - correction_->center.at(p), correction_->proximal);
    if (!correction_->offset.empty()) gradient.add_(correction_->offset.at(p));
  }

  std::unique_ptr<optim::Optimizer> inner_;
  std::shared_ptr<const GradientCorrection> correction_;
};

}  // namespace

std::unique_ptr<optim::Optimizer> corrected(std::unique_ptr<optim::Optimizer> inner,
                                            std::shared_ptr<const GradientCorrection> correction) {
  if (correction == nullptr) return inner;
  return std::make_unique<Corrected>(std::move(inner), std::move(correction));
}

}  // namespace starling
