#include "experiment/vocabulary.h"

#include <torch/nn/modules/embedding.h>

#include <algorithm>

#include "starling/core/error.h"

namespace starling::experiment {

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

void check_vocabulary(const torch::nn::Module& model, const Dataset& data,
                      const std::string& source) {
  const int64_t rows = vocabulary_of(model);
  if (rows == 0 || (data.vocabulary > 0 && data.vocabulary <= rows)) return;
  if (data.vocabulary == 0)
    throw InputError(source + ": /model", "looks up tokens in an embedding, and data set " +
                                              data.name + " holds numbers");
  throw InputError(source + ": /model", "has an embedding of " + std::to_string(rows) +
                                            " rows, and data set " + data.name + " has " +
                                            std::to_string(data.vocabulary) +
                                            " tokens; raise num_embeddings");
}

}  // namespace starling::experiment
