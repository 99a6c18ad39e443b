#include <torch/nn/modules/embedding.h>

#include "starling/core/error.h"
#include "starling/experiment/run.h"

namespace starling {
namespace {

// Tokens for a model that looks them up, numbers for every other.
int64_t vocabulary_of(const torch::nn::Module& model) {
  for (const auto& module : model.modules())
    if (const auto* embedding = module->as<torch::nn::EmbeddingImpl>())
      return embedding->options.num_embeddings();
  return 0;
}

}  // namespace

ProbeReport probe_model(const Federation& federation, const std::string& source) {
  const auto model = federation.factory();
  model->train();
  const auto features = federation.test.features.sizes();
  ProbeInput input;
  input.shape.assign(features.begin() + 1, features.end());
  input.vocabulary = vocabulary_of(*model);
  try {
    return probe(
        *model, [&](const torch::Tensor& batch) { return model->forward(batch); }, input);
  } catch (const Error& problem) {
    throw InputError(source + ": /model", problem.what());
  }
}

}  // namespace starling
