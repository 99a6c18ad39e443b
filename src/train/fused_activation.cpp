#include <torch/nn/modules/activation.h>

#include <typeinfo>

#include "train/fused_layer.h"

namespace starling::fused {
namespace {

namespace nn = torch::nn;

struct Tanh {
  static void forward(torch::Tensor& output, const torch::Tensor& input) {
    at::tanh_out(output, input);
  }
  static void backward(torch::Tensor& result, const torch::Tensor& gradient,
                       const torch::Tensor& output) {
    at::tanh_backward_out(result, gradient, output);
  }
};
struct Sigmoid {
  static void forward(torch::Tensor& output, const torch::Tensor& input) {
    at::sigmoid_out(output, input);
  }
  static void backward(torch::Tensor& result, const torch::Tensor& gradient,
                       const torch::Tensor& output) {
    at::sigmoid_backward_out(result, gradient, output);
  }
};

class Relu final : public Layer {
 public:
  explicit Relu(const Site& site)
      : shape_(site.input_shape),
        output_(site.largest_batch * product(shape_)),
        gradient_(output_.size()) {}

  const float* forward(const float* input, int64_t batch) override {
    kernels().relu(input, batch * product(shape_), output_.data());
    return output_.data();
  }
  const float* backward(const float*, const float* gradient, int64_t batch) override {
    kernels().relu_gradient(output_.data(), gradient, batch * product(shape_), gradient_.data());
    return gradient_.data();
  }
  const std::vector<int64_t>& output_shape() const override { return shape_; }

 private:
  std::vector<int64_t> shape_;
  std::vector<float> output_, gradient_;
};

// Any other function whose derivative follows from its value, computed by LibTorch.
template <class Function>
class Activation final : public Layer {
 public:
  explicit Activation(const Site& site)
      : shape_(site.input_shape),
        size_(product(shape_)),
        output_(torch::empty(site.largest_batch * size_)),
        gradient_(torch::empty(site.largest_batch * size_)) {}

  const float* forward(const float* input, int64_t batch) override {
    auto output = output_.narrow(0, 0, batch * size_);
    Function::forward(output, view(input, batch));
    return output_.const_data_ptr<float>();
  }
  const float* backward(const float*, const float* gradient, int64_t batch) override {
    auto result = gradient_.narrow(0, 0, batch * size_);
    Function::backward(result, view(gradient, batch), output_.narrow(0, 0, batch * size_));
    return gradient_.const_data_ptr<float>();
  }
  const std::vector<int64_t>& output_shape() const override { return shape_; }

 private:
  torch::Tensor view(const float* values, int64_t batch) const {
    return torch::from_blob(const_cast<float*>(values), {batch * size_});
  }

  std::vector<int64_t> shape_;
  int64_t size_;
  torch::Tensor output_, gradient_;
};

}  // namespace

std::unique_ptr<Layer> make_activation(const Site& site) {
  const auto& kind = typeid(site.module);
  if (kind == typeid(nn::ReLUImpl)) return std::make_unique<Relu>(site);
  if (kind == typeid(nn::TanhImpl)) return std::make_unique<Activation<Tanh>>(site);
  if (kind == typeid(nn::SigmoidImpl)) return std::make_unique<Activation<Sigmoid>>(site);
  return nullptr;
}

}  // namespace starling::fused
