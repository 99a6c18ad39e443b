#pragma once
#include <memory>

#include "starling/federated/collector.h"
#include "starling/nn/model.h"
#include "starling/train/correction.h"

namespace starling {

// A flat correction over the model's trainable parameters; null where it adds nothing.
std::shared_ptr<const GradientCorrection> as_correction(const Model& model, const Server& server,
                                                        const LocalCorrection& flat);
// The strategy's correction for this client.
std::shared_ptr<const GradientCorrection> local_correction(const Model& model, const Server& server,
                                                           const ClientState& state);

}  // namespace starling
