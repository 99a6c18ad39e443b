#pragma once
// A term that federated strategies add to every local gradient, after clipping and noise: it is
// made from models that are public already, so that it is post-processing.

#include <torch/types.h>

#include <memory>
#include <vector>

namespace torch::optim {
class Optimizer;
}

namespace starling {

// Added to the gradient of parameter p: proximal * (p - center) + offset. Vectors follow the
// optimizer's parameters; each is empty where it is not used.
struct GradientCorrection {
  double proximal = 0.0;
  std::vector<torch::Tensor> center;
  std::vector<torch::Tensor> offset;
};

// `inner`, with the correction added to the gradients before each of its steps. Parameters without
// a gradient get none.
std::unique_ptr<torch::optim::Optimizer> corrected(
    std::unique_ptr<torch::optim::Optimizer> inner,
    std::shared_ptr<const GradientCorrection> correction);

}  // namespace starling
