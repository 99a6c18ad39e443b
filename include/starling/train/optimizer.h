#pragma once
// LibTorch optimizers from their specification.

#include <torch/types.h>

#include <memory>
#include <vector>

#include "starling/train/optimizer_spec.h"

namespace torch::optim {
class Optimizer;
}

namespace starling {

// The optimizer's learning rate is the specification's times `factor` (a schedule's, in (0, 1]).
// `noise_deviation`: standard deviation of the noise on each coordinate of the gradients that it
// will be given, 0 without privacy.
std::unique_ptr<torch::optim::Optimizer> make_optimizer(const OptimizerSpec& spec,
                                                        std::vector<torch::Tensor> parameters,
                                                        double factor = 1.0,
                                                        double noise_deviation = 0.0);

}  // namespace starling
