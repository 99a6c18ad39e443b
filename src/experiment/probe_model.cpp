#include <torch/nn/modules/embedding.h>

#include <algorithm>

#include "starling/core/error.h"
#include "starling/experiment/run.h"

namespace starling {
namespace {

// Tokens for a model that looks them up, numbers for every other. Every table must hold them, so
// the smallest decides.
int64_t vocabulary_of(const torch::nn::Module& model) {
  int64_t smallest = 0;
  for (const auto& module : model.modules()) {
    const auto* embedding = module->as<torch::nn::EmbeddingImpl>();
    if (embedding == nullptr) continue;
    const int64_t rows = embedding->options.num_embeddings();
    smallest = smallest == 0 ? rows : std::min(smallest, rows);
  }
  return smallest;
}

ProbeInput input_for(const Federation& federation, const torch::nn::Module& model) {
  const auto features = federation.test.features.sizes();
  ProbeInput input;
  input.shape.assign(features.begin() + 1, features.end());
  input.vocabulary = vocabulary_of(model);
  return input;
}

// check: (model, forward, input) -> report.
template <class Check>
auto checked(const Federation& federation, const std::string& source, torch::Dtype dtype,
             Check check) {
  const auto model = federation.factory();
  model->train();
  model->to(dtype);
  try {
    return check(
        *model, [&](const torch::Tensor& batch) { return model->forward(batch); },
        input_for(federation, *model));
  } catch (const Error& problem) {
    throw InputError(source + ": /model", problem.what());
  }
}

}  // namespace

ProbeReport probe_model(const Federation& federation, const std::string& source) {
  return checked(federation, source, torch::kFloat32, probe);
}

GradientCheck check_model_gradients(const Federation& federation, const std::string& source) {
  return checked(federation, source, torch::kFloat64, check_gradients);
}

}  // namespace starling
