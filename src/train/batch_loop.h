#pragma once
// The loop of plain training, with losses of the caller's.

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "starling/train/trainer.h"

namespace starling {

// [B]: losses of the examples at `indices`.
using BatchLosses = std::function<torch::Tensor(const std::vector<int64_t>& indices)>;

// Steps of `plan` that descend the mean loss of batches of 0..examples-1; an empty batch is
// skipped. The model is in training mode afterwards.
LocalMetrics descend(Model& model, int64_t examples, const LocalPlan& plan,
                     const StreamOwner& owner, const BatchLosses& losses);

}  // namespace starling
