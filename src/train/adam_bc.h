#pragma once
// DP-AdamBC; see AdamBcSpec.

#include <torch/optim/optimizer.h>

#include <vector>

#include "starling/train/optimizer_spec.h"

namespace starling {

class AdamBc final : public torch::optim::Optimizer {
 public:
  // The rate is the specification's times `factor`. `noise_deviation` is that of each coordinate.
  AdamBc(std::vector<torch::Tensor> parameters, const AdamBcSpec& spec, double factor,
         double noise_deviation);
  // Parameters without a gradient stay as they are.
  torch::Tensor step(LossClosure closure = nullptr) override;

 private:
  struct Moments {
    torch::Tensor first, second;
    int64_t steps = 0;
  };
  void descend(torch::Tensor& parameter, Moments& moments) const;

  AdamBcSpec spec_;
  double rate_;
  double noise_variance_;
  std::vector<Moments> moments_;  // by parameter
};

}  // namespace starling
