#pragma once
#include <torch/types.h>

#include <vector>

#include "starling/federated/strategy.h"
#include "starling/nn/model.h"
#include "starling/train/batches.h"
#include "starling/train/trainer.h"

namespace starling {

// [n, ...]: those of the public `features` on which models answer for the consensus of this number,
// 0 for the first: all, or examples_per_round in turn, from the first again after the last.
torch::Tensor public_in_turn(const torch::Tensor& features, const Distilling& distilling,
                             int64_t consensus);

// What the model answers on `features`, as the strategy wants it.
std::vector<double> answers_of(Model& model, const torch::Tensor& features,
                               const Distilling& distilling);

// Trains the model on public examples with their labels, by the optimizer of the distillation.
void learn_labels(Model& model, const Examples& data, const PublicDistillation& settings,
                  int64_t epochs, const StreamOwner& owner);

// Distils the strategy's consensus, on its part of `all` public features, into the model; nothing
// before the first one.
void learn_consensus(Model& model, const torch::Tensor& all, const Strategy& strategy,
                     const StreamOwner& owner);

}  // namespace starling
