#include "starling/nn/layer_outputs.h"

#include <algorithm>

#include "nn/layer.h"
#include "starling/core/error.h"

namespace starling {

LayerOutputs layer_outputs(Model& model, const torch::Tensor& input,
                           std::span<const std::string> names) {
  auto* const list = dynamic_cast<LayerList*>(&model);
  if (list == nullptr)
    throw Error("the model does not come from a model file: no layer has a name");
  const auto known = list->names();
  for (const auto& name : names)
    if (std::ranges::find(known, name) == known.end())
      throw Error("the model has no outermost layer named \"" + name + "\"" +
                  did_you_mean(name, known));
  std::vector<torch::Tensor> every;
  LayerOutputs result{list->forward(input, every), {}};
  for (const auto& name : names)
    result.layers.push_back(every[std::ranges::find(known, name) - known.begin()]);
  return result;
}

}  // namespace starling
