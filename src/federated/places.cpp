#include <torch/nn/module.h>

#include "starling/federated/server.h"

namespace starling {
namespace {

// "torch::nn::LinearImpl" -> "Linear".
std::string kind_of(const torch::nn::Module& module) {
  std::string kind = module.name();
  if (const auto colon = kind.rfind(':'); colon != std::string::npos) kind.erase(0, colon + 1);
  if (kind.ends_with("Impl")) kind.resize(kind.size() - 4);
  return kind;
}

}  // namespace

std::vector<TensorPlace> places_of(const torch::nn::Module& module) {
  std::vector<TensorPlace> places;
  const auto add = [&](const std::string& path, const torch::nn::Module& owner) {
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const auto& item : owner.named_parameters(/*recurse=*/false))
      places.push_back({prefix + item.key(), kind_of(owner)});
    for (const auto& item : owner.named_buffers(/*recurse=*/false))
      places.push_back({prefix + item.key(), kind_of(owner)});
  };
  add("", module);
  for (const auto& item : module.named_modules("", /*include_self=*/false))
    add(item.key(), *item.value());
  return places;
}

}  // namespace starling
