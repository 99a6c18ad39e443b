#pragma once
#include <vector>

#include "starling/data/linear.h"
#include "starling/nn/state.h"
#include "starling/report/record.h"

namespace starling::experiment {

// What a linear model learned, beside the law that the data were drawn by. Empty where the model is
// not one weight a feature and a bias.
std::vector<WeightRecord> weights_beside(const LinearLaw& law, const StateDict& model);

}  // namespace starling::experiment
