#include <torch/nn/modules/pooling.h>

#include <algorithm>
#include <array>
#include <typeinfo>

#include "train/fused_layer.h"

namespace starling::fused {
namespace {

namespace nn = torch::nn;

using Pair = std::array<int64_t, 2>;  // down, across

// LibTorch's choice among equals is the first in row-major order; NaN wins.
class MaxPool final : public Layer {
 public:
  MaxPool(const nn::MaxPool2dOptions& options, const Site& site, Pair output)
      : channels_(site.input_shape[0]),
        input_{site.input_shape[1], site.input_shape[2]},
        window_(*options.kernel_size()),
        stride_(*options.stride()),
        padding_(*options.padding()),
        output_size_(output),
        output_shape_{channels_, output[0], output[1]},
        output_(site.largest_batch * product(output_shape_)),
        winner_(output_.size()),
        input_gradient_(site.largest_batch * product(site.input_shape)) {}

  const float* forward(const float* input, int64_t batch) override {
    const int64_t rows = batch * output_size_[0];
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t x = 0; x < output_size_[1]; ++x)
        pool(input + row / output_size_[0] * input_size(), row % output_size_[0], x,
             (row * output_size_[1] + x) * channels_);
    return output_.data();
  }

  const float* backward(const float*, const float* gradient, int64_t batch) override {
    std::fill_n(input_gradient_.begin(), batch * input_size(), 0.0f);
    const int64_t size = product(output_shape_);
    for (int64_t n = 0; n < batch; ++n) {
      float* to = input_gradient_.data() + n * input_size();
      for (int64_t i = n * size; i < (n + 1) * size; ++i) to[winner_[i]] += gradient[i];
    }
    return input_gradient_.data();
  }

  const std::vector<int64_t>& output_shape() const override { return output_shape_; }

 private:
  int64_t input_size() const { return input_[0] * input_[1] * channels_; }

  // All channels of output pixel (y, x) of one example; they begin at `to` of the output.
  void pool(const float* example, int64_t y, int64_t x, int64_t to) {
    const int64_t top = y * stride_[0] - padding_[0], left = x * stride_[1] - padding_[1];
    const int64_t bottom = std::min(top + window_[0], input_[0]);
    const int64_t right = std::min(left + window_[1], input_[1]);
    bool first = true;
    for (int64_t row = std::max<int64_t>(top, 0); row < bottom; ++row)
      for (int64_t column = std::max<int64_t>(left, 0); column < right; ++column, first = false) {
        const auto index = static_cast<int32_t>((row * input_[1] + column) * channels_);
        if (first)
          start(example, index, output_.data() + to, winner_.data() + to);
        else
          contend(example, index, output_.data() + to, winner_.data() + to);
      }
  }

  void start(const float* example, int32_t index, float* best, int32_t* winner) const {
    for (int64_t c = 0; c < channels_; ++c) {
      best[c] = example[index + c];
      winner[c] = index + static_cast<int32_t>(c);
    }
  }
  void contend(const float* __restrict example, int32_t index, float* __restrict best,
               int32_t* __restrict winner) const {
    for (int64_t c = 0; c < channels_; ++c) {
      const float value = example[index + c];
      const bool wins = value > best[c] || value != value;
      best[c] = wins ? value : best[c];
      winner[c] = wins ? index + static_cast<int32_t>(c) : winner[c];
    }
  }

  int64_t channels_;
  Pair input_, window_, stride_, padding_, output_size_;
  std::vector<int64_t> output_shape_;
  std::vector<float> output_;
  std::vector<int32_t> winner_;  // of each output, its place in the example
  std::vector<float> input_gradient_;
};

}  // namespace

std::unique_ptr<Layer> make_pooling(const Site& site) {
  if (typeid(site.module) != typeid(nn::MaxPool2dImpl) || site.input_shape.size() != 3)
    return nullptr;
  const auto& options = dynamic_cast<const nn::MaxPool2dImpl&>(site.module).options;
  if (*options.dilation() != Pair{1, 1} || options.ceil_mode()) return nullptr;
  Pair output;
  for (int i = 0; i < 2; ++i) {
    const int64_t window = (*options.kernel_size())[i], padding = (*options.padding())[i];
    const int64_t room = site.input_shape[i + 1] + 2 * padding - window;
    if (room < 0 || 2 * padding > window) return nullptr;
    output[i] = room / (*options.stride())[i] + 1;
  }
  return std::make_unique<MaxPool>(options, site, output);
}

}  // namespace starling::fused
