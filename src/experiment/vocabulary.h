#pragma once
#include <torch/types.h>

#include <string>

#include "starling/data/dataset.h"

namespace torch::nn {
class Module;
}

namespace starling::experiment {

// Rows of the model's embedding, of the smallest where there are several; 0: it has none.
int64_t vocabulary_of(const torch::nn::Module& model);

// Errors: InputError at /model where the model looks up what is no token of the data set, or a
// token that its table does not hold.
void check_vocabulary(const torch::nn::Module& model, const Dataset& data,
                      const std::string& source);

}  // namespace starling::experiment
