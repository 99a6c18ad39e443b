#include "starling/nn/model.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <mutex>

#include "nn/layer.h"
#include "starling/core/error.h"

namespace starling {
namespace {

// Puts the default generator back as it was found.
class GeneratorGuard {
 public:
  GeneratorGuard() : generator_(at::detail::getDefaultCPUGenerator()) {
    const std::lock_guard lock(generator_.mutex());
    state_ = generator_.get_state();
  }
  ~GeneratorGuard() {
    const std::lock_guard lock(generator_.mutex());
    generator_.set_state(state_);
  }
  GeneratorGuard(const GeneratorGuard&) = delete;
  GeneratorGuard& operator=(const GeneratorGuard&) = delete;

 private:
  at::Generator generator_;
  torch::Tensor state_;
};

struct Description {
  Json json;
  std::string source;
  std::string pointer;
  std::vector<int64_t> input_shape;
  int64_t classes;
};

torch::Tensor two_examples(const std::vector<int64_t>& shape) {
  std::vector<int64_t> batch{2};
  batch.insert(batch.end(), shape.begin(), shape.end());
  return torch::zeros(batch);
}

std::shared_ptr<Model> build(const Description& description) {
  JsonObject root(description.json, description.source, description.pointer);
  root.string("name", "");
  root.string("description", "");
  const auto layers = root.objects("layers");
  root.finish();
  if (layers.empty()) root.fail("layers", "is empty; a model needs at least one layer");

  const torch::NoGradGuard no_grad;
  auto [model, output] =
      build_list(layers, two_examples(description.input_shape), description.classes);
  if (output.dim() != 2 || output.size(1) != description.classes)
    root.fail("layers", "the last layer's output has shape " + shape_text(output) +
                            "; a data set of " + std::to_string(description.classes) +
                            " classes needs [batch, " + std::to_string(description.classes) + "]");
  return model;
}

bool matches(const std::string& parameter, const std::string& name) {
  return parameter == name || (parameter.size() > name.size() && parameter.starts_with(name) &&
                               parameter[name.size()] == '.');
}

// Every name that `freeze` takes: parameters, and the modules that hold them.
std::vector<std::string> freezable_names(const torch::nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& item : module.named_modules("", /*include_self=*/false))
    names.push_back(item.key());
  for (const auto& item : module.named_parameters()) names.push_back(item.key());
  return names;
}

}  // namespace

ModelFactory model_from_json(const Json& description, const std::string& source,
                             const std::vector<int64_t>& input_shape, int64_t classes,
                             const std::string& pointer) {
  auto kept = std::make_shared<const Description>(
      Description{description, source, pointer, input_shape, classes});
  const GeneratorGuard unchanged;
  build(*kept);
  return [kept] { return build(*kept); };
}

torch::Device device_of(const torch::nn::Module& module) {
  const auto parameters = module.parameters();
  return parameters.empty() ? torch::Device(torch::kCPU) : parameters.front().device();
}

int64_t parameter_count(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

void freeze(torch::nn::Module& module, std::span<const std::string> names) {
  bool trainable = false;
  for (const auto& name : names) {
    bool found = false;
    for (auto& item : module.named_parameters()) {
      if (!matches(item.key(), name)) continue;
      item.value().set_requires_grad(false);
      found = true;
    }
    if (!found)
      throw Error("the model has no parameter or layer named \"" + name + "\"" +
                  did_you_mean(name, freezable_names(module)));
  }
  for (const auto& parameter : module.parameters())
    trainable = trainable || parameter.requires_grad();
  if (!names.empty() && !trainable)
    throw Error("every parameter is frozen; nothing is left to train");
}

}  // namespace starling
