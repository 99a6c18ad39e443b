#include <torch/nn/modules/linear.h>

#include <typeinfo>

#include "train/fused_layer.h"

namespace starling::fused {
namespace {

namespace nn = torch::nn;

class Linear final : public Layer {
 public:
  Linear(const nn::LinearImpl& module, const Site& site)
      : weight_(module.weight),
        bias_(module.bias),
        weight_target_(site.targets.of(weight_)),
        bias_target_(bias_.defined() ? site.targets.of(bias_) : Target{}),
        shape_{0, weight_.size(1), weight_.size(0)},
        output_shape_{shape_.outputs},
        output_(site.largest_batch * shape_.outputs),
        input_gradient_(site.input_gradient ? site.largest_batch * shape_.inputs : 0) {}

  const float* forward(const float* input, int64_t batch) override {
    shape_.batch = batch;
    kernels().dense_forward(input, weight_.const_data_ptr<float>(),
                            bias_.defined() ? bias_.const_data_ptr<float>() : nullptr, shape_,
                            output_.data());
    return output_.data();
  }

  const float* backward(const float* input, const float* gradient, int64_t batch) override {
    shape_.batch = batch;
    if (!input_gradient_.empty())
      kernels().dense_input_gradient(gradient, weight_.const_data_ptr<float>(), shape_,
                                     input_gradient_.data());
    kernels().dense_update(input, gradient, shape_, weight_target_.update, weight_target_.values);
    if (bias_.defined())
      kernels().column_update(gradient, batch, shape_.outputs, bias_target_.update,
                              bias_target_.values);
    return input_gradient_.data();
  }

  const std::vector<int64_t>& output_shape() const override { return output_shape_; }

 private:
  torch::Tensor weight_, bias_;
  Target weight_target_, bias_target_;
  DenseShape shape_;
  std::vector<int64_t> output_shape_;
  std::vector<float> output_, input_gradient_;
};

// Signals are flat already.
class Flatten final : public Layer {
 public:
  explicit Flatten(const Site& site) : output_shape_{product(site.input_shape)} {}

  const float* forward(const float* input, int64_t) override { return input; }
  const float* backward(const float*, const float* gradient, int64_t) override { return gradient; }
  const std::vector<int64_t>& output_shape() const override { return output_shape_; }

 private:
  std::vector<int64_t> output_shape_;
};

}  // namespace

int64_t product(const std::vector<int64_t>& shape) {
  int64_t size = 1;
  for (const int64_t extent : shape) size *= extent;
  return size;
}

std::unique_ptr<Layer> make_dense(const Site& site) {
  if (typeid(site.module) == typeid(nn::LinearImpl)) {
    const auto& linear = dynamic_cast<const nn::LinearImpl&>(site.module);
    const bool fits = site.input_shape.size() == 1 && site.input_shape[0] == linear.weight.size(1);
    return fits ? std::make_unique<Linear>(linear, site) : nullptr;
  }
  if (typeid(site.module) == typeid(nn::FlattenImpl)) {
    const auto& options = dynamic_cast<const nn::FlattenImpl&>(site.module).options;
    const bool whole = options.start_dim() == 1 && options.end_dim() == -1;
    return whole ? std::make_unique<Flatten>(site) : nullptr;
  }
  return nullptr;
}

}  // namespace starling::fused
