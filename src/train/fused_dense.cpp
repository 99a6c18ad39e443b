#include <torch/nn/modules/linear.h>

#include <algorithm>

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

// Whether LibTorch's order differs from a signal's.
bool channels_move(const std::vector<int64_t>& shape) { return shape.size() == 3 && shape[0] > 1; }

class Flatten final : public Layer {
 public:
  explicit Flatten(const Site& site)
      : shape_(site.input_shape),
        image_(channels_move(shape_)),
        size_(product(shape_)),
        output_shape_{size_},
        output_(image_ ? site.largest_batch * size_ : 0),
        input_gradient_(output_.size()) {}

  const float* forward(const float* input, int64_t batch) override {
    if (!image_) return input;
    for (int64_t n = 0; n < batch; ++n)
      from_signal(input + n * size_, shape_, output_.data() + n * size_);
    return output_.data();
  }
  const float* backward(const float*, const float* gradient, int64_t batch) override {
    if (!image_) return gradient;
    for (int64_t n = 0; n < batch; ++n)
      to_signal(gradient + n * size_, shape_, input_gradient_.data() + n * size_);
    return input_gradient_.data();
  }
  const std::vector<int64_t>& output_shape() const override { return output_shape_; }

 private:
  std::vector<int64_t> shape_;
  bool image_;
  int64_t size_;
  std::vector<int64_t> output_shape_;
  std::vector<float> output_, input_gradient_;
};

// to [columns, rows] = the transpose of from [rows, columns]
void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      to[column * rows + row] = from[row * columns + column];
}

}  // namespace

int64_t product(const std::vector<int64_t>& shape) {
  int64_t size = 1;
  for (const int64_t extent : shape) size *= extent;
  return size;
}

void to_signal(const float* values, const std::vector<int64_t>& shape, float* signal) {
  if (channels_move(shape)) return transpose(values, shape[0], shape[1] * shape[2], signal);
  std::copy_n(values, product(shape), signal);
}

void from_signal(const float* signal, const std::vector<int64_t>& shape, float* values) {
  if (channels_move(shape)) return transpose(signal, shape[1] * shape[2], shape[0], values);
  std::copy_n(signal, product(shape), values);
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
