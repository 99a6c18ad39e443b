#include <torch/torch.h>

#include <algorithm>

#include "nn/layer.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr double kEps = 1e-5;

// The largest number of groups up to 32 (Wu and He 2018) that divides the channels.
int64_t default_groups(int64_t channels) {
  int64_t groups = std::min<int64_t>(32, channels);
  while (channels % groups != 0) --groups;
  return groups;
}

Layer group_norm(const LayerSite& site) {
  auto& options = site.options;
  const int64_t channels = site.size_or("num_channels", 1);
  nn::GroupNormOptions settings(
      options.integer("num_groups", 1, kLargestSize, default_groups(channels)), channels);
  settings.eps(options.number("eps", kPositive, kEps)).affine(options.boolean("affine", true));
  return layer_of(nn::GroupNorm(settings));
}

std::vector<int64_t> normalized_shape(const LayerSite& site) {
  auto& options = site.options;
  if (options.has("normalized_shape") && options.raw("normalized_shape").is_array())
    return options.integers("normalized_shape", 1, kLargestSize);
  return {site.size_or("normalized_shape", -1)};
}

Layer layer_norm(const LayerSite& site) {
  auto& options = site.options;
  nn::LayerNormOptions settings(normalized_shape(site));
  settings.eps(options.number("eps", kPositive, kEps))
      .elementwise_affine(options.boolean("elementwise_affine", true));
  return layer_of(nn::LayerNorm(settings));
}

// Instance and batch normalisation have the same options with other defaults.
template <class Norm, class Options>
Layer channel_norm(const LayerSite& site, bool affine, bool track_running_stats) {
  auto& options = site.options;
  Options settings(site.size_or("num_features", 1));
  settings.eps(options.number("eps", kPositive, kEps))
      .momentum(options.number("momentum", kUnit, 0.1))
      .affine(options.boolean("affine", affine))
      .track_running_stats(options.boolean("track_running_stats", track_running_stats));
  return layer_of(Norm(settings));
}

template <class Norm>
Layer instance_norm(const LayerSite& site) {
  return channel_norm<Norm, nn::InstanceNormOptions>(site, false, false);
}

template <class Norm>
Layer batch_norm(const LayerSite& site) {
  return channel_norm<Norm, nn::BatchNormOptions>(site, true, true);
}

constexpr LayerKind kKinds[] = {
    {"group_norm", group_norm},
    {"layer_norm", layer_norm},
    {"instance_norm1d", instance_norm<nn::InstanceNorm1d>},
    {"instance_norm2d", instance_norm<nn::InstanceNorm2d>},
    {"batch_norm1d", batch_norm<nn::BatchNorm1d>},
    {"batch_norm2d", batch_norm<nn::BatchNorm2d>},
};

}  // namespace

std::span<const LayerKind> normalisation_kinds() { return kKinds; }

}  // namespace starling
