// Embeddings and attention as they are, against one example at a time.

#include "nn/per_example_layers.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

Subject tokens(NamedParameters parameters, int64_t vocabulary, int64_t length,
               std::function<torch::Tensor(const torch::Tensor&)> output) {
  Subject subject;
  subject.parameters = std::move(parameters);
  subject.inputs = [=](int64_t batch) {
    return torch::randint(vocabulary, {batch, length}).to(test_device());
  };
  subject.losses = [=](const torch::Tensor& inputs) { return loss_of(output(inputs)); };
  return subject;
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Embedding) {
  nn::Embedding embedding(5, 3);
  embedding->to(test_device(), torch::kFloat64);
  expect_one_at_a_time(
      tokens(parameters_of(embedding), 5, 6,
             [=](const torch::Tensor& ids) mutable { return embedding(ids).tanh(); }),
      "embedding");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_EmbeddingOfOneToken) {
  nn::Embedding embedding(5, 3);
  embedding->to(test_device(), torch::kFloat64);
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
    bag->to(test_device(), torch::kFloat64);
    expect_one_at_a_time(tokens(parameters_of(bag), 6, 4,
                                [=](const torch::Tensor& ids) mutable { return bag(ids).tanh(); }),
                         "bag");
  }
}

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
