#pragma once
// Models as the rest of Starling sees them: a torch::nn::Module with one tensor in and one out.
// Any module holder becomes a Model through `as_model`; models/*.json become one through
// `model_from_json`.

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "starling/core/json.h"

namespace starling {

class Model : public torch::nn::Module {
 public:
  // input: [batch, ...] -> output: [batch, classes]
  virtual torch::Tensor forward(torch::Tensor input) = 0;
};

// Replicas are made by calling the factory again, never by clone().
using ModelFactory = std::function<std::shared_ptr<Model>()>;

template <class Holder>
class ModelAdapter final : public Model {
 public:
  explicit ModelAdapter(Holder module) : module_(std::move(module)) {
    register_module("module", module_);
  }
  torch::Tensor forward(torch::Tensor input) override { return module_->forward(input); }

 private:
  Holder module_;
};

// Takes torch::nn::Sequential and every other holder with Tensor forward(Tensor). Parameter names
// begin with "module.".
template <class Holder>
std::shared_ptr<Model> as_model(Holder module) {
  return std::make_shared<ModelAdapter<Holder>>(std::move(module));
}

// `description`: {"layers": [...]}; `source` names the file in errors. `input_shape` is that of one
// example. The model is built and run once on zeros: a layer that does not fit is named by its
// JSON pointer. Errors: InputError.
ModelFactory model_from_json(const Json& description, const std::string& source,
                             const std::vector<int64_t>& input_shape, int64_t classes);

int64_t parameter_count(const torch::nn::Module& module);

}  // namespace starling
