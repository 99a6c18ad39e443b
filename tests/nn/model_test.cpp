#include "starling/nn/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "nn/model_files.h"
#include "starling/nn/state.h"

namespace starling {
namespace {

using Shape = std::vector<int64_t>;

constexpr double kTolerance = 1e-6;

std::shared_ptr<Model> build(const std::string& layers, const Shape& input, int64_t classes) {
  const auto json = parse_json(R"({"layers": )" + layers + "}", "m.json");
  return model_from_json(json, "m.json", input, classes)();
}

std::vector<std::string> parameter_names(const Model& model) {
  std::vector<std::string> names;
  for (const auto& item : model.named_parameters()) names.push_back(item.key());
  return names;
}

bool close(const torch::Tensor& a, const torch::Tensor& b) {
  return a.sizes() == b.sizes() && (a - b).abs().max().item<double>() <= kTolerance;
}

struct KindCase {
  std::string name;
  std::string layers;
  Shape input;
  int64_t classes;
  int64_t parameters;  // counted by hand from torch::nn's definition of the layer
};

class EveryKind : public testing::TestWithParam<KindCase> {};

TEST_P(EveryKind, InfersSizesCountsParametersAndTrains) {
  const auto& [name, layers, input, classes, parameters] = GetParam();
  auto model = build(layers, input, classes);
  EXPECT_EQ(parameter_count(*model), parameters);
  EXPECT_TRUE(model->is_training());
  Shape batch{3};
  batch.insert(batch.end(), input.begin(), input.end());
  const auto output = model->forward(torch::rand(batch));
  EXPECT_EQ(output.sizes(), torch::IntArrayRef({3, classes}));
  EXPECT_TRUE(torch::isfinite(output).all().item<bool>());
  if (parameters == 0) return;
  output.square().sum().backward();
  for (const auto& item : model->named_parameters()) {
    EXPECT_TRUE(item.value().requires_grad()) << item.key();
    EXPECT_TRUE(item.value().grad().defined()) << item.key();
  }
}

std::vector<KindCase> kind_cases() {
  std::vector<KindCase> cases{
      {"linear", R"([{"kind": "linear", "bias": false}])", {5}, 3, 15},
      {"conv1d",
       R"([{"kind": "conv1d", "out_channels": 2, "kernel_size": 3}, {"kind": "flatten"}])",
       {3, 4},
       4,
       3 * 3 * 2 + 2},
      {"conv2d",
       R"([{"kind": "conv2d", "out_channels": 4, "kernel_size": [3, 1], "groups": 2,
        "padding": "same"}, {"kind": "conv2d", "out_channels": 4, "kernel_size": 3, "groups": 4,
        "padding": 1, "padding_mode": "circular", "bias": false}, {"kind": "flatten"}])",
       {2, 2, 3},
       24,
       3 * 4 + 4 + 9 * 4},
      {"conv3d",
       R"([{"kind": "conv3d", "out_channels": 1, "kernel_size": 2, "dilation": [1, 1, 2],
        "bias": false}, {"kind": "flatten"}])",
       {2, 2, 2, 4},
       2,
       16},
      {"conv_transpose2d",
       R"([{"kind": "conv_transpose2d", "out_channels": 2, "kernel_size": 3,
        "stride": 2, "padding": 1, "output_padding": 1}, {"kind": "flatten"}])",
       {1, 2, 2},
       32,
       18 + 2},
      {"pooling",
       R"([{"kind": "max_pool2d", "kernel_size": 2, "stride": 1, "ceil_mode": true},
        {"kind": "avg_pool2d", "kernel_size": [2, 1], "count_include_pad": false},
        {"kind": "adaptive_avg_pool2d", "output_size": [1, 2]}, {"kind": "flatten"}])",
       {2, 5, 5},
       4,
       0},
      {"pooling1d",
       R"([{"kind": "max_pool1d", "kernel_size": 2}, {"kind": "avg_pool1d",
        "kernel_size": 2}, {"kind": "adaptive_avg_pool1d", "output_size": 1}, {"kind": "flatten"}])",
       {3, 8},
       3,
       0},
      {"activations",
       R"([{"kind": "relu"}, {"kind": "tanh"}, {"kind": "sigmoid"},
        {"kind": "gelu", "approximate": "tanh"}, {"kind": "silu"}, {"kind": "elu", "alpha": 0.5},
        {"kind": "leaky_relu", "negative_slope": 0.2}, {"kind": "softplus", "beta": 2},
        {"kind": "prelu", "num_parameters": 4}])",
       {4},
       4,
       4},
      {"dropout",
       R"([{"kind": "dropout", "p": 0.2}, {"kind": "dropout2d"}, {"kind": "flatten"}])",
       {2, 2, 2},
       8,
       0},
      {"norms",
       R"([{"kind": "group_norm", "num_groups": 2}, {"kind": "instance_norm2d",
        "affine": true}, {"kind": "batch_norm2d", "momentum": 0.5}, {"kind": "layer_norm",
        "normalized_shape": [4, 3, 3]}, {"kind": "flatten"}])",
       {4, 3, 3},
       36,
       8 + 8 + 8 + 72},
      {"norms1d",
       R"([{"kind": "instance_norm1d"}, {"kind": "batch_norm1d", "affine": false},
        {"kind": "layer_norm"}, {"kind": "flatten"}])",
       {2, 3},
       6,
       6},
      {"embedding",
       R"([{"kind": "embedding", "num_embeddings": 10, "embedding_dim": 4},
        {"kind": "position_embedding"}, {"kind": "mean"}])",
       {6},
       4,
       40 + 24},
      {"lstm",
       R"([{"kind": "lstm", "hidden_size": 3, "output": "last"}])",
       {5, 2},
       3,
       4 * 3 * (2 + 3 + 2)},
      {"gru",
       R"([{"kind": "gru", "hidden_size": 3, "num_layers": 2, "bidirectional": true,
        "output": "last"}])",
       {5, 2},
       6,
       2 * 3 * 3 * (2 + 3 + 2) + 2 * 3 * 3 * (6 + 3 + 2)},
      {"rnn",
       R"([{"kind": "rnn", "hidden_size": 3, "nonlinearity": "relu", "bias": false},
        {"kind": "flatten"}])",
       {5, 2},
       15,
       3 * (2 + 3)},
      {"attention",
       R"([{"kind": "multihead_attention", "num_heads": 2}, {"kind": "flatten"}])",
       {3, 4},
       12,
       4 * 4 * 4 + 4 * 4},
      {"transformer",
       R"([{"kind": "transformer_encoder_layer", "nhead": 2, "dim_feedforward": 8,
        "activation": "gelu"}, {"kind": "transpose"}, {"kind": "mean", "dim": -1}])",
       {3, 4},
       4,
       80 + (4 * 8 + 8) + (8 * 4 + 4) + 16},
      {"residual",
       R"([{"kind": "residual", "layers": [{"kind": "linear", "out_features": 3}],
        "shortcut": [{"kind": "linear", "out_features": 3}]}])",
       {2},
       3,
       9 + 9},
      {"sequential",
       R"([{"kind": "sequential", "layers": [{"kind": "relu"}, {"kind": "linear"}]}])",
       {2},
       3,
       9},
  };
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Layers, EveryKind, testing::ValuesIn(kind_cases()),
                         [](const auto& info) { return info.param.name; });

class ModelFile : public testing::TestWithParam<ModelCase> {};

TEST_P(ModelFile, HasThePublishedNumberOfParameters) {
  const auto& [name, input, parameters] = GetParam();
  auto model = shipped_model(GetParam())();
  EXPECT_EQ(parameter_count(*model), parameters);
  EXPECT_EQ(model->forward(example_batch(GetParam(), 2)).sizes(), torch::IntArrayRef({2, 10}));
}

INSTANTIATE_TEST_SUITE_P(Models, ModelFile, testing::ValuesIn(kModels),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ModelNames, AreThoseOfAPyTorchSequential) {
  auto model = build(R"([{"kind": "flatten"}, {"kind": "linear", "out_features": 4, "name": "head"},
    {"kind": "sequential", "layers": [{"kind": "relu"}, {"kind": "linear", "out_features": 4}]},
    {"kind": "residual", "layers": [{"kind": "linear", "out_features": 4, "bias": false}],
     "shortcut": [{"kind": "linear", "out_features": 4, "bias": false}]},
    {"kind": "linear"}])",
                     {2, 2}, 3);
  EXPECT_THAT(
      parameter_names(*model),
      testing::ElementsAre("head.weight", "head.bias", "2.1.weight", "2.1.bias",
                           "3.layers.0.weight", "3.shortcut.0.weight", "4.weight", "4.bias"));
}

TEST(ModelForward, MatchesTheSameLayersWrittenInCpp) {
  torch::manual_seed(11);
  auto model = build(R"([{"kind": "conv2d", "out_channels": 3, "kernel_size": 3, "stride": 2,
    "padding": 1}, {"kind": "tanh"}, {"kind": "flatten"}, {"kind": "linear"}])",
                     {1, 6, 6}, 5);
  torch::manual_seed(11);
  namespace nn = torch::nn;
  nn::Sequential reference(nn::Conv2d(nn::Conv2dOptions(1, 3, 3).stride(2).padding(1)));
  reference->push_back(nn::Tanh());
  reference->push_back(nn::Flatten());
  reference->push_back(nn::Linear(27, 5));
  const auto input = torch::randn({4, 1, 6, 6});
  EXPECT_TRUE(torch::equal(model->forward(input), reference->forward(input)));
}

TEST(ModelForward, ResidualAddsTheShortcut) {
  auto identity = build(R"([{"kind": "residual", "layers": [{"kind": "relu"}]}])", {3}, 3);
  const auto x = torch::tensor({{-1.0F, 0.0F, 2.0F}});
  EXPECT_TRUE(torch::equal(identity->forward(x), torch::tensor({{-1.0F, 0.0F, 4.0F}})));
}

TEST(ModelForward, LastOutputIsTheFinalHiddenState) {
  torch::manual_seed(2);
  auto model = build(R"([{"kind": "lstm", "hidden_size": 3, "bidirectional": true,
    "output": "last"}])",
                     {5, 2}, 6);
  torch::nn::LSTM reference(torch::nn::LSTMOptions(2, 3).bidirectional(true).batch_first(true));
  const auto state = state_of(*model);
  const torch::NoGradGuard no_grad;
  for (auto& item : reference->named_parameters()) item.value().copy_(state.at("0." + item.key()));
  const auto x = torch::randn({4, 5, 2});
  const auto hidden = std::get<0>(std::get<1>(reference->forward(x)));  // [directions, batch, 3]
  EXPECT_TRUE(close(model->forward(x), torch::cat({hidden[0], hidden[1]}, 1)));
}

TEST(ModelForward, AttentionIsBatchFirst) {
  torch::manual_seed(4);
  for (const std::string kind :
       {R"("multihead_attention", "num_heads": 2)", R"("transformer_encoder_layer", "nhead": 2)"}) {
    auto model = build(R"([{"kind": )" + kind + R"(}, {"kind": "flatten"}])", {3, 4}, 12);
    model->eval();
    const auto x = torch::randn({2, 3, 4});
    auto changed = x.clone();
    changed[1].add_(1.0);
    EXPECT_TRUE(close(model->forward(x)[0], model->forward(changed)[0])) << kind;
    EXPECT_FALSE(close(model->forward(x)[1], model->forward(changed)[1])) << kind;
  }
}

TEST(ModelFactory, SeedDecidesTheWeightsAndBuildingLeavesTheGeneratorAlone) {
  const auto json = parse_json(R"({"layers": [{"kind": "linear"}]})", "m");
  torch::manual_seed(9);
  const auto expected = torch::rand({3});
  torch::manual_seed(9);
  const auto factory = model_from_json(json, "m", {4}, 2);
  EXPECT_TRUE(torch::equal(torch::rand({3}), expected));
  torch::manual_seed(1);
  const auto first = to_safetensors(state_of(*factory()));
  torch::manual_seed(1);
  EXPECT_EQ(to_safetensors(state_of(*factory())), first);
  torch::manual_seed(2);
  EXPECT_NE(to_safetensors(state_of(*factory())), first);
}

TEST(ModelFactory, BatchNormStatisticsAreUntouchedByTheShapeCheck) {
  auto model =
      build(R"([{"kind": "batch_norm2d"}, {"kind": "flatten"}, {"kind": "linear"}])", {2, 3, 3}, 2);
  const auto state = state_of(*model);
  EXPECT_EQ(state.at("0.num_batches_tracked").item<int64_t>(), 0);
  EXPECT_TRUE(torch::equal(state.at("0.running_var"), torch::ones({2})));
}

}  // namespace
}  // namespace starling
