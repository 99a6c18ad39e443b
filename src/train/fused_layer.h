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

// A signal is [batch, size], dense. Shapes are those of one example, channels first as in LibTorch;
// the values of an image, whose shape has three extents, lie with their channels last.
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
std::unique_ptr<Layer> make_dense(const Site& site);        // Linear, Flatten
std::unique_ptr<Layer> make_activation(const Site& site);   // ReLU, Tanh, Sigmoid
std::unique_ptr<Layer> make_convolution(const Site& site);  // Conv2d without groups or dilation
std::unique_ptr<Layer> make_pooling(const Site& site);      // MaxPool2d without dilation

int64_t product(const std::vector<int64_t>& shape);

// One example of `shape` from LibTorch's order to a signal's, and back.
void to_signal(const float* values, const std::vector<int64_t>& shape, float* signal);
void from_signal(const float* signal, const std::vector<int64_t>& shape, float* values);

}  // namespace starling::fused
