#pragma once
#include <torch/types.h>

#include "starling/data/catalogue.h"
#include "starling/experiment/experiment.h"
#include "starling/train/trainer.h"

namespace starling::experiment {

torch::ScalarType scalar_type(DType dtype);

// The experiment's data set, as its `dataset` and `seed` say; looked for in `folder` first. Where
// columns are standardised privately, their numbers are not standardised yet but scaled to their
// bounds (data/table.h).
DataSplit load_data(const Experiment& experiment, const DatasetInfo& info,
                    const std::string& folder);

// The values of `data` as tensors of their own.
Examples examples_of(const Dataset& data, DType dtype);

}  // namespace starling::experiment
