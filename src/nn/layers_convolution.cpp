#include <torch/torch.h>

#include "nn/layer.h"
#include "nn/spatial.h"

namespace starling {
namespace {

namespace nn = torch::nn;

using PaddingMode = nn::detail::conv_padding_mode_t;

PaddingMode padding_mode(JsonObject& options) {
  return options.choice<PaddingMode>("padding_mode",
                                     {{"zeros", torch::kZeros},
                                      {"reflect", torch::kReflect},
                                      {"replicate", torch::kReplicate},
                                      {"circular", torch::kCircular}},
                                     torch::kZeros);
}

// Without this, LibTorch reads a batch without channels as one example.
void check_image(const LayerSite& site, int64_t dimensions) {
  TORCH_CHECK(site.input.dim() == dimensions + 2, "it needs [batch, channels] and ", dimensions,
              " more dimensions");
}

// A number, a list, or torch::nn's words "same" and "valid". LibTorch 2.13 pads the wrong
// dimensions where "same" meets another padding mode and a kernel that is not square.
template <size_t D>
typename nn::detail::ConvNdOptions<D>::padding_t padding(JsonObject& options) {
  using Padding = typename nn::detail::ConvNdOptions<D>::padding_t;
  if (!options.has("padding")) return torch::ExpandingArray<D>(0);
  if (options.raw("padding").is_string()) {
    if (options.string("padding_mode", "zeros") != "zeros")
      options.fail("padding", "needs padding_mode \"zeros\" where it is a word; give numbers");
    return options.choice<Padding>("padding", {{"same", torch::kSame}, {"valid", torch::kValid}});
  }
  return spatial<D>(options, "padding", 0);
}

// Channels and kernel, read and checked together: they decide how much memory the weight takes.
template <class Options, size_t D>
Options channels_and_kernel(const LayerSite& site) {
  check_image(site, D);
  const int64_t in = site.size_or("in_channels", 1);
  const int64_t out = site.options.integer("out_channels", 1, kLargestSize);
  const auto kernel = spatial<D>(site.options, "kernel_size", 1);
  std::vector<int64_t> extents(kernel->begin(), kernel->end());
  extents.insert(extents.end(), {in, out});
  site.limit_weight(extents);
  return Options(in, out, kernel);
}

template <class Convolution, size_t D>
Layer convolution(const LayerSite& site) {
  auto& options = site.options;
  auto settings = channels_and_kernel<nn::ConvOptions<D>, D>(site);
  settings.stride(spatial<D>(options, "stride", 1, 1))
      .dilation(spatial<D>(options, "dilation", 1, 1))
      .groups(options.integer("groups", 1, kLargestSize, 1))
      .bias(options.boolean("bias", true))
      .padding_mode(padding_mode(options));
  settings.padding(padding<D>(options));
  return layer_of(Convolution(settings));
}

Layer conv_transpose2d(const LayerSite& site) {
  auto& options = site.options;
  auto settings = channels_and_kernel<nn::ConvTranspose2dOptions, 2>(site);
  settings.stride(spatial<2>(options, "stride", 1, 1))
      .padding(spatial<2>(options, "padding", 0, 0))
      .output_padding(spatial<2>(options, "output_padding", 0, 0))
      .dilation(spatial<2>(options, "dilation", 1, 1))
      .groups(options.integer("groups", 1, kLargestSize, 1))
      .bias(options.boolean("bias", true));
  return layer_of(nn::ConvTranspose2d(settings));
}

constexpr LayerKind kKinds[] = {
    {"conv1d", convolution<nn::Conv1d, 1>},
    {"conv2d", convolution<nn::Conv2d, 2>},
    {"conv3d", convolution<nn::Conv3d, 3>},
    {"conv_transpose2d", conv_transpose2d},
};

}  // namespace

std::span<const LayerKind> convolution_kinds() { return kKinds; }

}  // namespace starling
