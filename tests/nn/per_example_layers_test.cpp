// Every layer family of torch::nn as it is, against one example at a time.

#include "nn/per_example_harness.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

class PerExampleLayers : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(7); }
};

template <class Holder>
void expect_exact(Holder module, std::vector<int64_t> shape, const std::string& what) {
  expect_one_at_a_time(subject_of(std::move(module), std::move(shape)), what);
}

// ---- Linear ----

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Linear2d) {
  expect_exact(nn::Sequential(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3)), {6}, "2-D");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Linear3d) {
  expect_exact(nn::Sequential(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3)), {4, 6}, "3-D");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_LinearLongSequence) {
  expect_exact(nn::Sequential(nn::Linear(3, 2), nn::Tanh(), nn::Linear(2, 3)), {37, 3}, "long");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_LinearShortSequenceOfWideRows) {
  expect_exact(nn::Sequential(nn::Linear(40, 30), nn::Tanh()), {2, 40}, "wide");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_LinearWithoutBias) {
  expect_exact(nn::Sequential(nn::Linear(nn::LinearOptions(6, 5).bias(false))), {6}, "weight only");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_BiasOnly) {
  nn::Sequential model(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3));
  for (auto& item : model->named_parameters()) {
    if (item.key().find("weight") != std::string::npos) item.value().set_requires_grad(false);
  }
  expect_exact(model, {6}, "bias only");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_FrozenFirstLayer) {
  nn::Sequential model(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3));
  for (auto& item : model->named_parameters()) {
    if (item.key()[0] == '0') item.value().set_requires_grad(false);
  }
  expect_exact(model, {6}, "frozen");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_TimeMajorLinear) {
  nn::Linear linear(6, 5);
  auto subject = subject_of(linear, {4, 6});
  subject.losses = [linear](const torch::Tensor& inputs) mutable {
    return loss_of(linear->forward(inputs.transpose(0, 1)).tanh().transpose(0, 1));
  };
  expect_one_at_a_time(subject, "time-major");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Bilinear) {
  nn::Bilinear bilinear(3, 3, 2);
  auto subject = subject_of(nn::Sequential(nn::Linear(3, 3)), {3});
  bilinear->to(torch::kFloat64);
  subject.parameters = parameters_of(bilinear);
  subject.losses = [bilinear](const torch::Tensor& inputs) mutable {
    return loss_of(bilinear->forward(inputs, inputs.sin()));
  };
  expect_one_at_a_time(subject, "bilinear");
}

// ---- Convolutions ----

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Conv1d) {
  expect_exact(nn::Sequential(nn::Conv1d(nn::Conv1dOptions(2, 4, 3).stride(2).padding(1)),
                              nn::Tanh(), nn::Conv1d(nn::Conv1dOptions(4, 3, 2).dilation(2))),
               {2, 9}, "conv1d");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Conv2d) {
  expect_exact(
      nn::Sequential(nn::Conv2d(nn::Conv2dOptions(2, 9, {3, 2}).stride({2, 1}).padding({1, 0})),
                     nn::Tanh(), nn::Conv2d(nn::Conv2dOptions(9, 16, 2).dilation({1, 2}))),
      {2, 7, 6}, "conv2d");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Conv2dGroups) {
  expect_exact(
      nn::Sequential(nn::Conv2d(nn::Conv2dOptions(4, 6, 3).groups(2).padding(1).bias(false))),
      {4, 5, 5}, "groups");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Conv3d) {
  expect_exact(
      nn::Sequential(nn::Conv3d(nn::Conv3dOptions(2, 3, {2, 3, 2}).stride({1, 2, 1}).padding(1)),
                     nn::Tanh()),
      {2, 4, 5, 4}, "conv3d");
}

int64_t draw(int64_t low, int64_t high) {
  return torch::randint(low, high + 1, {1}).item<int64_t>();
}

// Kernel widths and channels around every block of the direct kernel.
TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ConvolutionsOfRandomShape) {
  for (int trial = 0; trial < 24; ++trial) {
    const int64_t groups = draw(1, 3), in = groups * draw(1, 4), out = groups * draw(1, 21);
    const int64_t height = draw(1, 4), width = 1 + trial % 9, dilation = draw(1, 2);
    const auto options = nn::Conv2dOptions(in, out, {height, width})
                             .groups(groups)
                             .stride({draw(1, 3), draw(1, 3)})
                             .padding({draw(0, 2), draw(0, 2)})
                             .dilation({1, dilation});
    nn::Conv2d convolution(options);
    const auto subject =
        subject_of(convolution, {in, height + draw(0, 4), (width - 1) * dilation + 1 + draw(0, 4)});
    const auto inputs = subject.inputs(3);
    const Clipping clipping;
    expect_same(subject, clipped_sums(subject, inputs, clipping),
                one_example_at_a_time(subject, inputs, clipping), "trial " + std::to_string(trial));
  }
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ConvTranspose2d) {
  expect_exact(nn::Sequential(nn::ConvTranspose2d(nn::ConvTranspose2dOptions(3, 4, 3).stride(2)),
                              nn::Tanh()),
               {3, 3, 4}, "transposed");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ConvTranspose1dAnd3d) {
  expect_exact(nn::Sequential(nn::ConvTranspose1d(nn::ConvTranspose1dOptions(3, 2, 3))), {3, 4},
               "1d");
  expect_exact(nn::Sequential(nn::ConvTranspose3d(nn::ConvTranspose3dOptions(2, 2, 2))),
               {2, 2, 3, 2}, "3d");
}

// ---- Normalisation and pointwise parameters ----

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_GroupNorm) {
  expect_exact(nn::Sequential(nn::Conv2d(2, 6, 2), nn::GroupNorm(3, 6), nn::Tanh()), {2, 4, 4},
               "gn");
  expect_exact(nn::Sequential(nn::GroupNorm(2, 4)), {4}, "gn on rows");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_LayerNorm) {
  expect_exact(
      nn::Sequential(nn::Linear(6, 5), nn::LayerNorm(nn::LayerNormOptions({5})), nn::Tanh()), {6},
      "ln 2-D");
  expect_exact(
      nn::Sequential(nn::Linear(6, 5), nn::LayerNorm(nn::LayerNormOptions({5})), nn::Tanh()),
      {3, 6}, "ln 3-D");
  expect_exact(nn::Sequential(nn::LayerNorm(nn::LayerNormOptions({3, 4}))), {2, 3, 4}, "ln 2 axes");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_InstanceNorm) {
  expect_exact(
      nn::Sequential(nn::Conv2d(2, 3, 2),
                     nn::InstanceNorm2d(nn::InstanceNorm2dOptions(3).affine(true)), nn::Tanh()),
      {2, 4, 4}, "instance norm");
  expect_exact(nn::Sequential(nn::InstanceNorm1d(nn::InstanceNorm1dOptions(3).affine(true))),
               {3, 5}, "instance norm first");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_BatchNormInEvaluation) {
  nn::Sequential model(nn::Linear(4, 3), nn::BatchNorm1d(3), nn::Tanh());
  model->eval();
  expect_exact(model, {4}, "batch norm eval");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_PReLU) {
  expect_exact(nn::Sequential(nn::Linear(4, 3), nn::PReLU()), {4}, "one slope");
  expect_exact(nn::Sequential(nn::Conv2d(2, 3, 2), nn::PReLU(nn::PReLUOptions().num_parameters(3))),
               {2, 4, 4}, "a slope a channel");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_InPlaceReLU) {
  expect_exact(
      nn::Sequential(nn::Linear(6, 5), nn::ReLU(nn::ReLUOptions().inplace(true)), nn::Linear(5, 4),
                     nn::ReLU(nn::ReLUOptions().inplace(true)), nn::Linear(4, 3)),
      {6}, "relu_");
}

struct RawParametersImpl : nn::Module {
  torch::Tensor position = register_parameter("position", torch::randn({4, 3}));
  torch::Tensor scale = register_parameter("scale", torch::randn({}));
  torch::Tensor gain = register_parameter("gain", torch::randn({3}));
  torch::Tensor shift = register_parameter("shift", torch::randn({1, 4, 1}));
  torch::Tensor forward(const torch::Tensor& x) {
    return ((x + position) * scale * gain - 0.5 * shift).tanh() * gain;
  }
};
TORCH_MODULE(RawParameters);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_RawParametersByBroadcast) {
  expect_exact(RawParameters(), {4, 3}, "raw");
}

struct ClassTokenImpl : nn::Module {
  torch::Tensor token = register_parameter("token", torch::randn({1, 1, 3}));
  nn::Linear linear = register_module("linear", nn::Linear(3, 3));
  torch::Tensor forward(const torch::Tensor& x) {
    return linear(torch::cat({token.expand({x.size(0), 1, 3}), x}, 1)).tanh();
  }
};
TORCH_MODULE(ClassToken);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ClassToken) {
  expect_exact(ClassToken(), {4, 3}, "class token");
}

struct ExpandedPositionImpl : nn::Module {
  torch::Tensor position = register_parameter("position", torch::randn({1, 3}));
  torch::Tensor forward(const torch::Tensor& x) { return (x + position.expand({4, 3})).tanh(); }
};
TORCH_MODULE(ExpandedPosition);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ExpandedBeforeTheBatch) {
  expect_exact(ExpandedPosition(), {4, 3}, "expand");
}

struct WeightNormImpl : nn::Module {
  torch::Tensor direction = register_parameter("direction", torch::randn({5, 3}));
  torch::Tensor size = register_parameter("size", torch::randn({5, 1}));
  torch::Tensor forward(const torch::Tensor& x) {
    return torch::linear(x, size * direction / direction.norm(2, {1}, true)).tanh();
  }
};
TORCH_MODULE(WeightNorm);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_WeightNorm) {
  expect_exact(WeightNorm(), {3}, "rows");
  expect_exact(WeightNorm(), {4, 3}, "sequences");
}

// ---- Embeddings ----

Subject tokens(NamedParameters parameters, int64_t vocabulary, int64_t length,
               std::function<torch::Tensor(const torch::Tensor&)> output) {
  Subject subject;
  subject.parameters = std::move(parameters);
  subject.inputs = [=](int64_t batch) { return torch::randint(vocabulary, {batch, length}); };
  subject.losses = [=](const torch::Tensor& inputs) { return loss_of(output(inputs)); };
  return subject;
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Embedding) {
  nn::Embedding embedding(5, 3);
  embedding->to(torch::kFloat64);
  expect_one_at_a_time(
      tokens(parameters_of(embedding), 5, 6,
             [=](const torch::Tensor& ids) mutable { return embedding(ids).tanh(); }),
      "embedding");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_EmbeddingOfOneToken) {
  nn::Embedding embedding(5, 3);
  embedding->to(torch::kFloat64);
  expect_one_at_a_time(
      tokens(parameters_of(embedding), 5, 1,
             [=](const torch::Tensor& ids) mutable { return embedding(ids.flatten()).tanh(); }),
      "one token");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_EmbeddingBag) {
  for (auto mode : {0, 1, 2}) {
    nn::EmbeddingBagOptions options(6, 3);
    if (mode == 0) options.mode(torch::kSum);
    if (mode == 1) options.mode(torch::kMean);
    if (mode == 2) options.mode(torch::kMax);
    nn::EmbeddingBag bag(options);
    bag->to(torch::kFloat64);
    expect_one_at_a_time(tokens(parameters_of(bag), 6, 4,
                                [=](const torch::Tensor& ids) mutable { return bag(ids).tanh(); }),
                         "bag");
  }
}

// ---- Recurrent layers ----

template <class Recurrent>
Subject recurrent(Recurrent layer, int64_t length, int64_t width, bool batch_first) {
  auto subject = subject_of(nn::Sequential(nn::Linear(1, 1)), {length, width});
  layer->to(torch::kFloat64);
  subject.parameters = parameters_of(layer);
  subject.losses = [=](const torch::Tensor& inputs) mutable {
    if (batch_first) return loss_of(std::get<0>(layer->forward(inputs)));
    return loss_of(std::get<0>(layer->forward(inputs.transpose(0, 1))).transpose(0, 1));
  };
  return subject;
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Gru) {
  expect_one_at_a_time(recurrent(nn::GRU(nn::GRUOptions(3, 4)), 5, 3, false), "gru");
  expect_one_at_a_time(
      recurrent(nn::GRU(nn::GRUOptions(3, 2).num_layers(2).bidirectional(true).batch_first(true)),
                3, 3, true),
      "gru deep");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Rnn) {
  expect_one_at_a_time(recurrent(nn::RNN(nn::RNNOptions(3, 4)), 5, 3, false), "rnn");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Lstm) {
  expect_one_at_a_time(recurrent(nn::LSTM(nn::LSTMOptions(3, 4).batch_first(true)), 5, 3, true),
                       "lstm");
  expect_one_at_a_time(
      recurrent(nn::LSTM(nn::LSTMOptions(3, 2).num_layers(2).bidirectional(true)), 3, 3, false),
      "lstm deep");
  expect_one_at_a_time(recurrent(nn::LSTM(nn::LSTMOptions(3, 4).proj_size(2)), 3, 3, false),
                       "lstm projected");
}

// The native layer of the CPU, which exists in single precision only.
template <class Recurrent>
void expect_native(Recurrent layer, int64_t length, int64_t width, bool last_only) {
  const bool batch_first = layer->options.batch_first();
  Subject subject;
  subject.parameters = parameters_of(layer);
  subject.inputs = [=](int64_t batch) { return torch::randn({batch, length, width}); };
  subject.losses = [=](const torch::Tensor& inputs) mutable {
    const auto [values, state] = layer->forward(batch_first ? inputs : inputs.transpose(0, 1));
    const auto output = batch_first ? values : values.transpose(0, 1);
    const auto used = last_only ? output.slice(1, -1) : output;
    const auto& cell = std::get<1>(state);
    return loss_of(used) + (last_only ? 0 : 1) * cell.transpose(0, 1).sum({1, 2});
  };
  PerExampleGradients engine(subject.parameters);
  engine.backward(subject.losses(subject.inputs(3)), Clipping());
  EXPECT_TRUE(engine.without_rule().empty()) << engine.without_rule().front();
  expect_one_at_a_time(subject, "native", 2e-5);
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_NativeLstm) {
  expect_native(nn::LSTM(nn::LSTMOptions(3, 8)), 5, 3, false);
  expect_native(nn::LSTM(nn::LSTMOptions(3, 11)), 4, 3, true);
  expect_native(nn::LSTM(nn::LSTMOptions(3, 8).batch_first(true)), 3, 3, true);
  expect_native(nn::LSTM(nn::LSTMOptions(3, 5).bias(false)), 4, 3, false);
  expect_native(nn::LSTM(nn::LSTMOptions(3, 5).num_layers(2).bidirectional(true)), 4, 3, false);
}

// Rows of a packed sequence belong to examples in an order that no axis describes. The length of an
// example is its first value.
Subject packed_sequences() {
  nn::GRU gru(nn::GRUOptions(3, 4));
  auto subject = subject_of(nn::Sequential(nn::Linear(1, 1)), {5, 3});
  gru->to(torch::kFloat64);
  subject.parameters = parameters_of(gru);
  subject.losses = [=](const torch::Tensor& inputs) mutable {
    const auto lengths = inputs.select(1, 0).select(1, 0).abs().remainder(5).to(torch::kInt64) + 1;
    const auto packed = nn::utils::rnn::pack_padded_sequence(inputs, lengths, /*batch_first=*/true,
                                                             /*enforce_sorted=*/false);
    const auto output = std::get<0>(gru->forward_with_packed_input(packed));
    return loss_of(std::get<0>(nn::utils::rnn::pad_packed_sequence(output, true, 0.0, 5)));
  };
  return subject;
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_PackedSequence) {
  auto subject = packed_sequences();
  subject.inputs = [](int64_t batch) { return 3 * torch::randn({batch, 5, 3}, torch::kFloat64); };
  expect_one_at_a_time(subject, "packed");
}

// What is known of one batch's rows does not hold for the next, although both have as many rows as
// a multiple of the batch and the same graph.
TEST_F(PerExampleLayers, MatchesOneExampleAtATime_PackedSequenceAfterOneOfEqualLengths) {
  const auto subject = packed_sequences();
  auto inputs = torch::randn({4, 5, 3}, torch::kFloat64);
  for (const auto& lengths :
       std::vector<std::vector<double>>{{4, 4, 4, 4}, {4, 3, 1, 4}, {1, 4, 4, 3}}) {
    for (int64_t b = 0; b < 4; ++b) inputs[b][0][0] = lengths[b];
    const Clipping clipping;
    expect_same(subject, clipped_sums(subject, inputs, clipping),
                one_example_at_a_time(subject, inputs, clipping), "packed");
  }
}

// ---- Attention ----

struct SelfAttentionImpl : nn::Module {
  explicit SelfAttentionImpl(nn::MultiheadAttentionOptions options, bool cross)
      : attention(options), cross_(cross) {
    register_module("attention", attention);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    const auto time_major = x.transpose(0, 1);
    const auto keys = cross_ ? time_major.sin() : time_major;
    return std::get<0>(attention(time_major, keys, keys)).transpose(0, 1);
  }
  nn::MultiheadAttention attention;
  bool cross_;
};
TORCH_MODULE(SelfAttention);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_MultiheadAttention) {
  expect_exact(SelfAttention(nn::MultiheadAttentionOptions(4, 2), false), {3, 4}, "self");
  expect_exact(SelfAttention(nn::MultiheadAttentionOptions(4, 2).add_bias_kv(true), true), {3, 4},
               "cross with bias_k and bias_v");
}

struct EncoderImpl : nn::Module {
  EncoderImpl()
      : encoder(nn::TransformerEncoderOptions(
            nn::TransformerEncoderLayerOptions(4, 2).dim_feedforward(6).dropout(0.0), 2)) {
    register_module("encoder", encoder);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return encoder(x.transpose(0, 1)).transpose(0, 1);
  }
  nn::TransformerEncoder encoder;
};
TORCH_MODULE(Encoder);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_TransformerEncoder) {
  expect_exact(Encoder(), {3, 4}, "encoder");
}

}  // namespace
}  // namespace starling::testing
