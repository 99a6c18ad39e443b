#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "starling/core/error.h"
#include "starling/nn/model.h"

namespace starling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Shape = std::vector<int64_t>;

std::shared_ptr<Model> build(const std::string& layers, const Shape& input, int64_t classes) {
  const auto json = parse_json(R"({"layers": )" + layers + "}", "m.json");
  return model_from_json(json, "m.json", input, classes)();
}

std::string error_of(const std::string& layers, const Shape& input, int64_t classes) {
  try {
    build(layers, input, classes);
  } catch (const InputError& problem) {
    return problem.what();
  }
  return "accepted";
}

TEST(ModelErrors, NameTheLayerItsInputAndTheReason) {
  const auto text = error_of(R"([{"kind": "flatten"}, {"kind": "sequential", "layers":
    [{"kind": "relu"}, {"kind": "linear", "in_features": 700, "out_features": 9}]}])",
                             {1, 28, 28}, 10);
  EXPECT_THAT(text, AllOf(HasSubstr("m.json: /layers/1/layers/1: linear does not fit its input of "
                                    "shape [batch, 784]: "),
                          HasSubstr("2x784 and 700x9"), Not(HasSubstr("\n")),
                          Not(HasSubstr("Exception raised"))));
}

TEST(ModelErrors, EveryLayerThatDoesNotFitIsOneLineWithItsPointer) {
  const std::pair<std::string, Shape> cases[] = {
      {R"({"kind": "conv2d", "out_channels": 4, "kernel_size": 9})", {1, 4, 4}},
      {R"({"kind": "conv2d", "out_channels": 4, "kernel_size": 3})", {28, 28}},
      {R"({"kind": "conv2d", "out_channels": 3, "kernel_size": 1, "groups": 2})", {2, 4, 4}},
      {R"({"kind": "max_pool2d", "kernel_size": 9})", {1, 4, 4}},
      {R"({"kind": "max_pool2d", "kernel_size": 2, "padding": 2})", {1, 4, 4}},
      {R"({"kind": "group_norm", "num_groups": 3})", {4, 4, 4}},
      {R"({"kind": "layer_norm", "normalized_shape": 7})", {4, 4}},
      {R"({"kind": "batch_norm2d"})", {4}},
      {R"({"kind": "flatten", "start_dim": 5})", {4}},
      {R"({"kind": "lstm", "hidden_size": 4})", {4}},
      {R"({"kind": "multihead_attention", "num_heads": 3})", {4, 4}},
      {R"({"kind": "transformer_encoder_layer", "nhead": 3})", {4, 4}},
      {R"({"kind": "position_embedding", "max_length": 2})", {4, 4}},
      {R"({"kind": "prelu", "num_parameters": 3})", {4}},
  };
  for (const auto& [layer, input] : cases) {
    const auto text = error_of("[" + layer + "]", input, 2);
    EXPECT_THAT(text, AllOf(HasSubstr("m.json: /layers/0: "), HasSubstr("[batch, "),
                            Not(HasSubstr("\n")), Not(HasSubstr("Exception raised"))))
        << layer;
    EXPECT_LT(text.size(), 400u) << text;
  }
}

TEST(ModelErrors, WeightsThatTakeAllMemoryAreRefusedBeforeAllocation) {
  const std::pair<std::string, Shape> cases[] = {
      {R"({"kind": "linear", "in_features": 16777216, "out_features": 128})", {4}},
      {R"({"kind": "conv2d", "out_channels": 1048576, "kernel_size": 1024})", {1, 4, 4}},
      {R"({"kind": "conv3d", "out_channels": 1, "kernel_size": 16777216})", {1, 4, 4, 4}},
      {R"({"kind": "embedding", "num_embeddings": 16777216, "embedding_dim": 128})", {4}},
      {R"({"kind": "position_embedding", "max_length": 16777216, "embedding_dim": 128})", {4, 4}},
      {R"({"kind": "gru", "hidden_size": 65536})", {4, 4}},
      {R"({"kind": "multihead_attention", "num_heads": 1, "embed_dim": 65536})", {4, 4}},
      {R"({"kind": "transformer_encoder_layer", "nhead": 1, "d_model": 65536})", {4, 4}},
  };
  for (const auto& [layer, input] : cases)
    EXPECT_THAT(error_of("[" + layer + "]", input, 2), HasSubstr("more than 1073741824 values"))
        << layer;
}

TEST(ModelErrors, UnknownKindsAndOptionsNameTheNearest) {
  EXPECT_THAT(error_of(R"([{"kind": "conv2"}])", {1, 4, 4}, 2),
              AllOf(HasSubstr("/layers/0/kind"), HasSubstr("did you mean \"conv2d\"?")));
  EXPECT_THAT(error_of(R"([{"kind": "linear", "outfeatures": 2}])", {4}, 2),
              AllOf(HasSubstr("/layers/0/outfeatures"), HasSubstr("\"out_features\"")));
  EXPECT_THAT(error_of(R"([{"kind": "relu", "inplace": true}])", {4}, 4),
              HasSubstr("/layers/0/inplace"));
  EXPECT_THAT(error_of(R"([{"kind": "linear"}, {"kind": "relu"}])", {4}, 4),
              HasSubstr("\"out_features\" is missing"));
  EXPECT_THAT(error_of(R"([{"kind": "dropout", "p": 1.5}])", {4}, 4), HasSubstr("[0, 1)"));
  EXPECT_THAT(
      error_of(R"([{"kind": "conv2d", "out_channels": 1, "kernel_size": [3]}])", {1, 4, 4}, 4),
      HasSubstr("2 are needed"));
  EXPECT_THAT(error_of(R"([{"kind": "conv2d", "out_channels": 1, "kernel_size": [3, 1],
    "padding": "same", "padding_mode": "circular"}])",
                       {1, 4, 4}, 4),
              HasSubstr("needs padding_mode \"zeros\""));
  EXPECT_THAT(error_of(R"([{"kind": "lstm", "hidden_size": 4, "output": "lsat"}])", {3, 4}, 4),
              HasSubstr("did you mean \"last\"?"));
}

TEST(ModelErrors, NamesMustBeUniqueAndWithoutDots) {
  EXPECT_THAT(error_of(R"([{"kind": "relu", "name": "1"}, {"kind": "relu"}])", {4}, 4),
              HasSubstr("/layers/1/name"));
  EXPECT_THAT(error_of(R"([{"kind": "relu", "name": "a.b"}])", {4}, 4), HasSubstr("dot"));
  EXPECT_THAT(error_of(R"([{"kind": "relu", "name": ""}])", {4}, 4), HasSubstr("empty"));
}

TEST(ModelErrors, OutputMustBeOneLogitAClass) {
  EXPECT_THAT(error_of(R"([{"kind": "linear", "out_features": 3}])", {4}, 10),
              AllOf(HasSubstr("/layers"), HasSubstr("[batch, 3]"), HasSubstr("[batch, 10]")));
  EXPECT_THAT(error_of(R"([{"kind": "linear"}])", {2, 4}, 10), HasSubstr("[batch, 2, 10]"));
  EXPECT_THAT(error_of("[]", {4}, 4), HasSubstr("/layers: is empty"));
  EXPECT_THAT(error_of(R"([{"kind": "residual", "layers": [{"kind": "linear",
    "out_features": 3}]}])",
                       {4}, 3),
              AllOf(HasSubstr("[batch, 3]"), HasSubstr("[batch, 4]")));
}

TEST(ModelErrors, PointerPrefixNamesInlineModels) {
  const auto json = parse_json(R"({"layers": [{"kind": "nothing"}]})", "e.json");
  try {
    model_from_json(json, "e.json", {4}, 4, "/model");
    FAIL();
  } catch (const InputError& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("e.json: /model/layers/0/kind"));
  }
}

std::vector<std::string> trainable_names(const Model& model) {
  std::vector<std::string> names;
  for (const auto& item : model.named_parameters())
    if (item.value().requires_grad()) names.push_back(item.key());
  return names;
}

TEST(Freeze, TakesParametersAndModulesByName) {
  auto model = build(R"([{"kind": "linear", "out_features": 4}, {"kind": "linear",
    "out_features": 4, "name": "00"}, {"kind": "linear"}])",
                     {4}, 2);
  const std::string names[] = {"0", "2.bias"};
  freeze(*model, names);
  EXPECT_THAT(trainable_names(*model), testing::ElementsAre("00.weight", "00.bias", "2.weight"));
  const auto output = model->forward(torch::ones({1, 4}));
  output.sum().backward();
  EXPECT_FALSE(model->named_parameters()["0.weight"].grad().defined());
}

TEST(Freeze, RefusesNamesThatMatchNothingAndModelsLeftWithNothing) {
  auto model = build(R"([{"kind": "linear", "name": "encoder", "out_features": 2},
    {"kind": "linear"}])",
                     {4}, 2);
  const std::string wrong[] = {"encoder.wight"};
  try {
    freeze(*model, wrong);
    FAIL();
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("did you mean \"encoder.weight\"?"));
  }
  const std::string all[] = {"encoder", "1"};
  EXPECT_THROW(freeze(*model, all), Error);
  EXPECT_NO_THROW(freeze(*model, {}));
}

}  // namespace
}  // namespace starling
