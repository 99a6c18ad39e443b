#include <torch/nn/modules/conv.h>

#include <algorithm>
#include <array>
#include <optional>
#include <typeinfo>

#include "train/fused_layer.h"

namespace starling::fused {
namespace {

namespace nn = torch::nn;

using Pair = std::array<int64_t, 2>;  // down, across

struct Geometry {
  int64_t channels, outputs;
  Pair input, kernel, stride, padding, output;

  Pair padded() const { return {input[0] + 2 * padding[0], input[1] + 2 * padding[1]}; }
  // The output's gradient with its pixels `stride` apart and a frame, so that a convolution by the
  // flipped kernel gives the input's gradient.
  Pair framed() const { return {input[0] + kernel[0] - 1, input[1] + kernel[1] - 1}; }
  Pair frame() const { return {kernel[0] - 1 - padding[0], kernel[1] - 1 - padding[1]}; }
};

int64_t area(const Pair& size) { return size[0] * size[1]; }

int64_t whole_vectors(int64_t size) {
  const int64_t lanes = kernels().lanes;
  return (size + lanes - 1) / lanes * lanes;
}

class Convolution final : public Layer {
 public:
  Convolution(const nn::Conv2dImpl& module, const Geometry& geometry, const Site& site)
      : g_(geometry),
        columns_(whole_vectors(g_.outputs)),
        weight_(module.weight),
        bias_(module.bias),
        weight_target_(site.targets.of(weight_)),
        bias_target_(bias_.defined() ? site.targets.of(bias_) : Target{}),
        output_shape_{g_.outputs, g_.output[0], g_.output[1]},
        packed_(area(g_.kernel) * g_.channels * columns_),
        packed_gradient_(packed_.size()),
        bias_gradient_(g_.outputs),
        padded_(site.largest_batch * padded_size()),
        output_(site.largest_batch * output_size()),
        framed_(area(g_.framed()) * columns_) {
    if (!site.input_gradient) return;
    flipped_.resize(area(g_.kernel) * columns_ * whole_vectors(g_.channels));
    input_gradient_.resize(site.largest_batch * input_size());
  }

  const float* forward(const float* input, int64_t batch) override {
    pack();
    const float* bias = bias_.defined() ? bias_.const_data_ptr<float>() : nullptr;
    for (int64_t n = 0; n < batch; ++n) {
      float* padded = padded_.data() + n * padded_size();
      pad(input + n * input_size(), padded);
      kernels().convolve(padded, packed_.data(), bias, forward_shape(),
                         output_.data() + n * output_size());
    }
    return output_.data();
  }

  const float* backward(const float*, const float* gradient, int64_t batch) override {
    std::fill(packed_gradient_.begin(), packed_gradient_.end(), 0.0f);
    const auto [down, across] = g_.frame();
    const int64_t row = g_.framed()[1] * columns_;
    for (int64_t n = 0; n < batch; ++n) {
      frame(gradient + n * output_size());
      kernels().convolution_gradient(
          padded_.data() + n * padded_size(), framed_.data() + down * row + across * columns_,
          forward_shape(), {g_.stride[0] * row, g_.stride[1] * columns_}, packed_gradient_.data());
      if (!input_gradient_.empty())
        kernels().convolve(framed_.data(), flipped_.data(), nullptr, backward_shape(),
                           input_gradient_.data() + n * input_size());
    }
    update(gradient, batch);
    return input_gradient_.data();
  }

  const std::vector<int64_t>& output_shape() const override { return output_shape_; }

 private:
  int64_t input_size() const { return area(g_.input) * g_.channels; }
  int64_t padded_size() const { return area(g_.padded()) * g_.channels; }
  int64_t output_size() const { return area(g_.output) * g_.outputs; }

  ConvolutionShape forward_shape() const {
    ConvolutionShape shape;
    shape.kernel_height = g_.kernel[0];
    shape.run = g_.kernel[1] * g_.channels;
    shape.outputs = g_.outputs;
    shape.columns = columns_;
    shape.height = g_.output[0];
    shape.width = g_.output[1];
    shape.input_row = g_.padded()[1] * g_.channels;
    shape.step_down = g_.stride[0] * shape.input_row;
    shape.step = g_.stride[1] * g_.channels;
    return shape;
  }

  ConvolutionShape backward_shape() const {
    ConvolutionShape shape;
    shape.kernel_height = g_.kernel[0];
    shape.run = g_.kernel[1] * columns_;
    shape.outputs = g_.channels;
    shape.columns = whole_vectors(g_.channels);
    shape.height = g_.input[0];
    shape.width = g_.input[1];
    shape.input_row = shape.step_down = g_.framed()[1] * columns_;
    shape.step = columns_;
    return shape;
  }

  // use(index in the weight [outputs, channels, kernel], output, channel, tap)
  template <class Use>
  void for_each_weight(Use use) const {
    const int64_t taps = area(g_.kernel);
    for (int64_t o = 0; o < g_.outputs; ++o)
      for (int64_t c = 0; c < g_.channels; ++c)
        for (int64_t tap = 0; tap < taps; ++tap) use((o * g_.channels + c) * taps + tap, o, c, tap);
  }

  void pack() {
    const float* weight = weight_.const_data_ptr<float>();
    const int64_t taps = area(g_.kernel), wide = whole_vectors(g_.channels);
    const bool flip = !flipped_.empty();
    for_each_weight([&](int64_t index, int64_t o, int64_t c, int64_t tap) {
      packed_[(tap * g_.channels + c) * columns_ + o] = weight[index];
      if (flip) flipped_[((taps - 1 - tap) * columns_ + o) * wide + c] = weight[index];
    });
  }

  void pad(const float* input, float* padded) const {
    const int64_t run = g_.input[1] * g_.channels;
    for (int64_t y = 0; y < g_.input[0]; ++y) {
      const int64_t first = (y + g_.padding[0]) * g_.padded()[1] + g_.padding[1];
      std::copy_n(input + y * run, run, padded + first * g_.channels);
    }
  }

  void frame(const float* gradient) {
    const auto [down, across] = g_.frame();
    for (int64_t y = 0; y < g_.output[0]; ++y)
      for (int64_t x = 0; x < g_.output[1]; ++x, gradient += g_.outputs) {
        const int64_t pixel =
            (down + y * g_.stride[0]) * g_.framed()[1] + across + x * g_.stride[1];
        std::copy_n(gradient, g_.outputs, framed_.data() + pixel * columns_);
      }
  }

  void update(const float* gradient, int64_t batch) {
    const auto [keep, scale] = weight_target_.update;
    float* target = weight_target_.values;
    for_each_weight([&](int64_t index, int64_t o, int64_t c, int64_t tap) {
      const float old = keep == 0.0f ? 0.0f : keep * target[index];
      target[index] = old + scale * packed_gradient_[(tap * g_.channels + c) * columns_ + o];
    });
    if (!bias_.defined()) return;
    kernels().column_update(gradient, batch * area(g_.output), g_.outputs, {0.0f, 1.0f},
                            bias_gradient_.data());
    kernels().column_update(bias_gradient_.data(), 1, g_.outputs, bias_target_.update,
                            bias_target_.values);
  }

  Geometry g_;
  int64_t columns_;
  torch::Tensor weight_, bias_;
  Target weight_target_, bias_target_;
  std::vector<int64_t> output_shape_;
  // Packed as the kernels read them; `flipped_` and `input_gradient_` only where they are needed.
  std::vector<float> packed_, packed_gradient_, flipped_, bias_gradient_;
  std::vector<float> padded_, output_, framed_, input_gradient_;
};

// Nothing where the layer has options that the kernels do not know.
std::optional<Geometry> geometry_of(const nn::Conv2dImpl& module, const Site& site) {
  const auto& options = module.options;
  const auto* padding = std::get_if<torch::ExpandingArray<2>>(&options.padding());
  const auto& shape = site.input_shape;
  if (padding == nullptr || shape.size() != 3 || shape[0] != options.in_channels() ||
      options.groups() != 1 || *options.dilation() != Pair{1, 1} ||
      !std::holds_alternative<torch::enumtype::kZeros>(options.padding_mode()))
    return std::nullopt;
  Geometry g{options.in_channels(),
             options.out_channels(),
             {shape[1], shape[2]},
             *options.kernel_size(),
             *options.stride(),
             **padding,
             {}};
  for (int i = 0; i < 2; ++i) {
    const int64_t room = g.padded()[i] - g.kernel[i];
    if (room < 0 || g.frame()[i] < 0) return std::nullopt;
    g.output[i] = room / g.stride[i] + 1;
  }
  return g;
}

}  // namespace

std::unique_ptr<Layer> make_convolution(const Site& site) {
  if (typeid(site.module) != typeid(nn::Conv2dImpl)) return nullptr;
  const auto& module = dynamic_cast<const nn::Conv2dImpl&>(site.module);
  const auto geometry = geometry_of(module, site);
  return geometry ? std::make_unique<Convolution>(module, *geometry, site) : nullptr;
}

}  // namespace starling::fused
