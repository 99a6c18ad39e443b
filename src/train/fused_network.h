#pragma once
// The fast path of local training. With a small batch most of a step is not arithmetic but
// graph building, allocation, passes of the optimizer over all weights and the packing of matrix
// products. A Network runs a sequence of known layers forward and backward by hand, and plain SGD
// inside the gradient product: W <- W - learning_rate g^T x in one pass over W.
//
// Whether a network is used depends on the model's structure, the plan and the form of the data
// alone, so that every worker decides alike. Results agree with autograd to rounding and are the
// same to the bit on any number of workers.

#include <memory>
#include <vector>

#include "starling/nn/model.h"
#include "starling/train/trainer.h"

namespace starling::fused {

class Network {
 public:
  virtual ~Network() = default;
  // One step on the mean cross-entropy of these examples (at least one). Returns the sum of their
  // losses before the step.
  virtual double step(const std::vector<int64_t>& indices) = 0;
};

// Null where autograd has to do it: a model that is not a sequence (models/*.json or
// torch::nn::Sequential) of Linear, Conv2d, MaxPool2d, Flatten, ReLU, Tanh and Sigmoid, or uses
// options of theirs that the layers do not know; frozen, shared or non-float32 parameters; batches
// of more than 64 examples or of random size; labels that are not classes. The network trains the
// model's own parameters in place; it must not outlive model or data.
std::unique_ptr<Network> network_for(Model& model, const Examples& data, const LocalPlan& plan);

// The gradient of one example's cross-entropy, for private steps that take one at a time.
class ExampleGradient {
 public:
  virtual ~ExampleGradient() = default;
  // Sets the gradients and returns the loss.
  virtual double compute(int64_t index) = 0;
  // One a parameter, in the order and shapes of Model::parameters().
  virtual const std::vector<torch::Tensor>& gradients() const = 0;
};

// Null where autograd has to do it: models and data as above. A gradient depends on the model and
// its example alone, to the bit.
std::unique_ptr<ExampleGradient> example_gradient_for(Model& model, const Examples& data);

}  // namespace starling::fused
