#pragma once
// What the layers of a model make of a batch on the way to its answer, by name.

#include <torch/types.h>

#include <span>
#include <string>
#include <vector>

#include "starling/nn/model.h"

namespace starling {

struct LayerOutputs {
  torch::Tensor output;               // the model's, [batch, classes]
  std::vector<torch::Tensor> layers;  // of the layers asked for, in that order
};

// The forward pass. `names` are of outermost layers: a layer's "name" in the model file, or its
// position. Errors: Error where the model does not come from model_from_json, or has no layer of
// that name; the nearest one is then named.
LayerOutputs layer_outputs(Model& model, const torch::Tensor& input,
                           std::span<const std::string> names);

}  // namespace starling
