#pragma once
#include <torch/types.h>

#include <vector>

#include "starling/federated/strategy.h"
#include "starling/nn/model.h"
#include "starling/train/batches.h"

namespace starling {

// What the model answers on the public `features`, as the strategy wants it.
std::vector<double> answers_of(Model& model, const torch::Tensor& features,
                               const Distilling& distilling);

// Distils the strategy's consensus into the model; nothing before the first one.
void learn_consensus(Model& model, const torch::Tensor& features, const Strategy& strategy,
                     const StreamOwner& owner);

}  // namespace starling
