#pragma once
// The models of models/*.json with the shape of one example and the number of parameters at ten
// classes.

#include <torch/types.h>

#include <string>
#include <vector>

#include "starling/core/json.h"
#include "starling/nn/model.h"

namespace starling {

struct ModelCase {
  const char* name;
  std::vector<int64_t> input;
  int64_t parameters;
};

inline const std::vector<ModelCase> kModels{
    {"linear", {1, 28, 28}, 7850},         {"mlp_2nn", {1, 28, 28}, 199210},
    {"cnn_tutorial", {1, 28, 28}, 26010},  {"cnn_tanh", {1, 28, 28}, 26010},
    {"cnn_mcmahan", {1, 28, 28}, 1663370}, {"cnn_small", {1, 28, 28}, 28874},
    {"resnet_gn", {1, 28, 28}, 174970},    {"lstm_text", {40}, 33930},
    {"transformer_text", {40}, 86538},     {"mlp_table", {30}, 4394},
    {"transformer_conv", {40}, 23498},
};

inline std::string model_path(const ModelCase& model) {
  return std::string(STARLING_SOURCE_DIR "/models/") + model.name + ".json";
}

inline ModelFactory shipped_model(const ModelCase& model) {
  const auto path = model_path(model);
  return model_from_json(read_json(path), path, model.input, 10);
}

// Uniform pixels, or token ids 0..255 where the example is a sequence.
inline torch::Tensor example_batch(const ModelCase& model, int64_t size) {
  std::vector<int64_t> shape{size};
  shape.insert(shape.end(), model.input.begin(), model.input.end());
  return model.input.size() == 1 ? torch::randint(256, shape, torch::kFloat32) : torch::rand(shape);
}

}  // namespace starling
