#include <torch/torch.h>

#include "nn/layer.h"
#include "nn/spatial.h"

namespace starling {
namespace {

namespace nn = torch::nn;

template <class Pool, size_t D>
Layer max_pool(const LayerSite& site) {
  auto& options = site.options;
  const auto kernel = spatial<D>(options, "kernel_size", 1);
  nn::MaxPoolOptions<D> settings(kernel);
  settings.stride(spatial<D>(options, "stride", 1, kernel))
      .padding(spatial<D>(options, "padding", 0, 0))
      .dilation(spatial<D>(options, "dilation", 1, 1))
      .ceil_mode(options.boolean("ceil_mode", false));
  return layer_of(Pool(settings));
}

template <class Pool, size_t D>
Layer avg_pool(const LayerSite& site) {
  auto& options = site.options;
  const auto kernel = spatial<D>(options, "kernel_size", 1);
  nn::AvgPoolOptions<D> settings(kernel);
  settings.stride(spatial<D>(options, "stride", 1, kernel))
      .padding(spatial<D>(options, "padding", 0, 0))
      .ceil_mode(options.boolean("ceil_mode", false))
      .count_include_pad(options.boolean("count_include_pad", true));
  return layer_of(Pool(settings));
}

Layer adaptive_avg_pool1d(const LayerSite& site) {
  const auto size = spatial<1>(site.options, "output_size", 1);
  return layer_of(nn::AdaptiveAvgPool1d(nn::AdaptiveAvgPool1dOptions(size)));
}

Layer adaptive_avg_pool2d(const LayerSite& site) {
  const auto size = spatial<2>(site.options, "output_size", 1);
  return layer_of(nn::AdaptiveAvgPool2d(
      nn::AdaptiveAvgPool2dOptions({std::optional((*size)[0]), std::optional((*size)[1])})));
}

constexpr LayerKind kKinds[] = {
    {"max_pool1d", max_pool<nn::MaxPool1d, 1>},   {"max_pool2d", max_pool<nn::MaxPool2d, 2>},
    {"avg_pool1d", avg_pool<nn::AvgPool1d, 1>},   {"avg_pool2d", avg_pool<nn::AvgPool2d, 2>},
    {"adaptive_avg_pool1d", adaptive_avg_pool1d}, {"adaptive_avg_pool2d", adaptive_avg_pool2d},
};

}  // namespace

std::span<const LayerKind> pooling_kinds() { return kKinds; }

}  // namespace starling
