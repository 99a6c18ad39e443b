#include "experiment/truth.h"

#include <ATen/ATen.h>

#include <tuple>

namespace starling::experiment {

std::vector<WeightRecord> weights_beside(const LinearLaw& law, const StateDict& model) {
  if (model.tensors.size() != 2) return {};
  const auto& [weight, bias] = std::tie(model.tensors[0], model.tensors[1]);
  if (weight.value.numel() != std::ssize(law.weights) || bias.value.numel() != 1) return {};
  const auto learned = weight.value.flatten().to(at::kDouble);
  if (!all_finite(model)) return {};
  std::vector<WeightRecord> all;
  for (size_t j = 0; j < law.weights.size(); ++j) {
    const auto index = static_cast<int64_t>(j);
    std::string name = weight.name;
    if (law.weights.size() > 1) name.append("[").append(std::to_string(j)).append("]");
    all.push_back({name, learned[index].item<double>(), law.weights[j]});
  }
  all.push_back({bias.name, bias.value.item().toDouble(), law.bias});
  return all;
}

}  // namespace starling::experiment
