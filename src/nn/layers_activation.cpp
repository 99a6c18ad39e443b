#include <torch/torch.h>

#include "nn/layer.h"

namespace starling {
namespace {

namespace nn = torch::nn;

template <class Holder>
Layer plain(const LayerSite&) {
  return layer_of(Holder());
}

Layer gelu(const LayerSite& site) {
  const auto approximate =
      site.options.choice<std::string>("approximate", {{"none", "none"}, {"tanh", "tanh"}}, "none");
  return layer_of(nn::GELU(nn::GELUOptions().approximate(approximate)));
}

Layer elu(const LayerSite& site) {
  return layer_of(nn::ELU(nn::ELUOptions().alpha(site.options.number("alpha", kPositive, 1.0))));
}

Layer leaky_relu(const LayerSite& site) {
  const double slope = site.options.number("negative_slope", kNonNegative, 0.01);
  return layer_of(nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(slope)));
}

Layer prelu(const LayerSite& site) {
  const int64_t parameters = site.options.integer("num_parameters", 1, kLargestSize, 1);
  const double init = site.options.number("init", {}, 0.25);
  return layer_of(nn::PReLU(nn::PReLUOptions().num_parameters(parameters).init(init)));
}

Layer softplus(const LayerSite& site) {
  const double beta = site.options.number("beta", kPositive, 1.0);
  const double threshold = site.options.number("threshold", kPositive, 20.0);
  return layer_of(nn::Softplus(nn::SoftplusOptions().beta(beta).threshold(threshold)));
}

constexpr LayerKind kKinds[] = {
    {"relu", plain<nn::ReLU>},
    {"tanh", plain<nn::Tanh>},
    {"sigmoid", plain<nn::Sigmoid>},
    {"silu", plain<nn::SiLU>},
    {"gelu", gelu},
    {"elu", elu},
    {"prelu", prelu},
    {"leaky_relu", leaky_relu},
    {"softplus", softplus},
};

}  // namespace

std::span<const LayerKind> activation_kinds() { return kKinds; }

}  // namespace starling
