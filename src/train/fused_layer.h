#pragma once
// Layers of a fused network: forward and backward by hand on flat buffers, without an autograd
// graph and without allocation. A layer computes what the torch::nn module of the same name
// computes, to rounding.

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "train/fused_kernels.h"

namespace torch::nn {
class Module;
}

namespace starling::fused {

// One parameter's part in training: the buffer that its gradient sum is added to, and how.
struct Target {
  float* values = nullptr;
  Update update;
};

// Which target a parameter [any shape, contiguous] has.
class Targets {
 public:
  virtual ~Targets() = default;
  virtual Target of(const torch::Tensor& parameter) = 0;
};

// A signal is [batch, size], dense; `shape` is that of one example, channels first as in LibTorch.
class Layer {
 public:
  virtual ~Layer() = default;
  // input: [batch, inputs]; the result, [batch, outputs], belongs to the layer.
  virtual const float* forward(const float* input, int64_t batch) = 0;
  // `gradient`, [batch, outputs], of the mean loss; `input` is that of the last forward. Adds the
  // parameters' gradients to their targets once the input's gradient, [batch, inputs], is known,
  // which is returned and belongs to the layer; it is not computed unless the site asks for it.
  virtual const float* backward(const float* input, const float* gradient, int64_t batch) = 0;
  virtual const std::vector<int64_t>& output_shape() const = 0;
};

// What a layer is made for.
struct Site {
  torch::nn::Module& module;
  std::vector<int64_t> input_shape;  // of one example
  int64_t largest_batch;
  bool input_gradient;  // whether a layer before has parameters
  Targets& targets;
};

// Null where the module is of another kind or has options that the layer does not know.
std::unique_ptr<Layer> make_dense(const Site& site);       // Linear, Flatten
std::unique_ptr<Layer> make_activation(const Site& site);  // ReLU, Tanh, Sigmoid

int64_t product(const std::vector<int64_t>& shape);

}  // namespace starling::fused
