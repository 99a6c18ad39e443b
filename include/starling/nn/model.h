#pragma once
// Models as the rest of Starling sees them: a torch::nn::Module with one tensor in and one out.
// Any module holder becomes a Model through `as_model`; models/*.json become one through
// `model_from_json`.

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
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

// `description`: {"name", "description", "layers": [{"kind": "conv2d", ...}, ...]}; kinds and
// options have torch::nn's names and defaults (models/README.md lists them). `source` names the
// file and `pointer` the description's place in it, for errors. `input_shape` is that of one
// example.
//
// Input sizes that are left out are inferred by running the layers, one after the other, on two
// examples of zeros; out_features of the last linear layer defaults to `classes`. The model is
// built once at this call, so that wrong input is found here. Errors: InputError naming the JSON
// pointer of the layer, the shape that reached it and what LibTorch says, or that the output is not
// [batch, classes].
//
// Parameters are named as in a PyTorch nn.Sequential, "0.weight"; a layer's "name" takes the place
// of its position. Initial weights come from LibTorch's default generator, so that
// torch::manual_seed before the factory's call decides them; this function leaves the generator as
// it was. The factory may be called from several threads at once.
ModelFactory model_from_json(const Json& description, const std::string& source,
                             const std::vector<int64_t>& input_shape, int64_t classes,
                             const std::string& pointer = "");

// Where its parameters are; the CPU if it has none.
torch::Device device_of(const torch::nn::Module& module);

// Parameters only, frozen ones included.
int64_t parameter_count(const torch::nn::Module& module);

// Takes parameters out of training (requires_grad becomes false): each name is a parameter's
// ("0.weight") or a module's ("0", "3.layers"). Errors: Error where a name matches nothing, with
// the nearest one, or where nothing is left to train.
void freeze(torch::nn::Module& module, std::span<const std::string> names);

}  // namespace starling
