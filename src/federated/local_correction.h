#pragma once
#include <memory>

#include "starling/federated/collector.h"
#include "starling/nn/model.h"
#include "starling/train/correction.h"

namespace starling {

// The strategy's correction for this client, over the model's trainable parameters; null: none.
std::shared_ptr<const GradientCorrection> local_correction(const Model& model, const Server& server,
                                                           const ClientState& state);

}  // namespace starling
