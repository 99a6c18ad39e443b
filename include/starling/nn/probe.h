#pragma once
// Checks before training that a model keeps the promise of per-example gradients: each example's
// loss depends on that example alone, and the gradient engine is exact for this model. Only
// synthetic inputs are used, so nothing private is looked at.
//
// What is checked: no batch normalisation in training mode; changing one example changes no other
// example's output; the gradients that reach the parameters do not mix examples; every example's
// gradient norm and every parameter's gradient sum equal those of one example at a time.

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace starling {

struct ProbeInput {
  std::vector<int64_t> shape;  // of one example
  int64_t vocabulary = 0;      // above 0: integer tokens below it; otherwise normal values
  int64_t batch = 5;           // examples, at least 2
};

struct ProbeReport {
  int64_t examples = 0;
  double norm_error = 0;  // largest relative difference to one-example gradients
  // Operations without a rule of their own, with the parameter: exact, and slower by one call of
  // that operation an example.
  std::vector<std::string> without_rule;
};

// forward: [batch, ...] -> [batch, ...], the way training calls the model, in its present mode. The
// model's parameters, gradients, buffers and the global random state are left as they were.
// Errors: Error naming the module, the reason and the remedy.
ProbeReport probe(torch::nn::Module& module,
                  const std::function<torch::Tensor(const torch::Tensor&)>& forward,
                  const ProbeInput& input);

}  // namespace starling
