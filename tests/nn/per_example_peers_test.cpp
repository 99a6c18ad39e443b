// What other DP-SGD libraries get wrong or refuse: one test a row.

#include "nn/per_example_harness.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

class PeersGetWrong : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(11); }
};

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

nn::Sequential padded_convolution(nn::Conv2dOptions::padding_mode_t mode) {
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(2, 3, 3).padding(1).padding_mode(mode)),
                        nn::Tanh(),
                        nn::Conv2d(nn::Conv2dOptions(3, 2, 3).padding({2, 1}).padding_mode(mode)));
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_CircularPadding) {
  expect_exact(padded_convolution(torch::kCircular), {2, 5, 5}, "circular");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_ReplicatePadding) {
  expect_exact(padded_convolution(torch::kReplicate), {2, 5, 5}, "replicate");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_ReflectPadding) {
  expect_exact(padded_convolution(torch::kReflect), {2, 5, 5}, "reflect");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_SamePadding) {
  expect_exact(
      nn::Sequential(nn::Conv2d(nn::Conv2dOptions(2, 3, {3, 2}).padding(torch::kSame)),
                     nn::Conv2d(nn::Conv2dOptions(3, 2, 4).padding(torch::kSame).dilation(2))),
      {2, 7, 6}, "same");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_DepthwiseConvolution) {
  expect_exact(nn::Sequential(nn::Conv2d(nn::Conv2dOptions(3, 6, 3).groups(3).padding(1)),
                              nn::Conv2d(nn::Conv2dOptions(6, 6, 2).groups(6))),
               {3, 5, 5}, "depthwise");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_EmbeddingWithPaddingIndex) {
  nn::Embedding embedding(nn::EmbeddingOptions(5, 3).padding_idx(1));
  embedding->to(test_device(), torch::kFloat64);
  const auto subject =
      tokens(parameters_of(embedding), 5, 6,
             [=](const torch::Tensor& ids) mutable { return (embedding(ids) + 0.1).tanh(); });
  expect_one_at_a_time(subject, "padding_idx");
  const auto answer =
      clipped_sums(subject, torch::ones({3, 6}, torch::kInt64).to(test_device()), Clipping());
  EXPECT_EQ(answer.sums[0].abs().max().item<double>(), 0) << "the padding row is trained";
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_ReusedLinear) {
  nn::Linear linear(4, 4);
  auto subject = subject_of(linear, {4});
  subject.losses = [linear](const torch::Tensor& inputs) mutable {
    return loss_of(linear(linear(linear(inputs).tanh()).tanh()));
  };
  expect_one_at_a_time(subject, "reused");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_ReusedConvolution) {
  nn::Conv2d convolution(nn::Conv2dOptions(3, 3, 3).padding(1));
  auto subject = subject_of(convolution, {3, 4, 4});
  subject.losses = [convolution](const torch::Tensor& inputs) mutable {
    return loss_of(convolution(convolution(inputs).tanh()));
  };
  expect_one_at_a_time(subject, "reused convolution");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_TiedEmbeddingAndProjection) {
  nn::Embedding embedding(7, 4);
  embedding->to(test_device(), torch::kFloat64);
  expect_one_at_a_time(tokens(parameters_of(embedding), 7, 5,
                              [=](const torch::Tensor& ids) mutable {
                                const auto hidden = embedding(ids).tanh();
                                return torch::linear(hidden, embedding->weight);
                              }),
                       "tied");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_InPlaceReLU) {
  const auto relu = [] { return nn::ReLU(nn::ReLUOptions().inplace(true)); };
  expect_exact(nn::Sequential(nn::Conv2d(2, 4, 2), relu(), nn::Conv2d(4, 3, 2), relu(),
                              nn::Flatten(), nn::Linear(12, 5), relu(), nn::Linear(5, 3)),
               {2, 4, 4}, "in place");
}

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_LinearOn4d) {
  expect_exact(nn::Sequential(nn::Linear(3, 5), nn::Tanh(), nn::Linear(5, 2)), {2, 4, 3}, "4-D");
}

struct PositionImpl : nn::Module {
  nn::Embedding position = register_module("position", nn::Embedding(6, 3));
  nn::Linear linear = register_module("linear", nn::Linear(3, 2));
  torch::Tensor forward(const torch::Tensor& x) {
    const auto index = torch::arange(x.size(1), x.options().dtype(torch::kInt64));
    return linear((x + position(index)).tanh());
  }
};
TORCH_MODULE(Position);

TEST_F(PeersGetWrong, MatchesOneExampleAtATime_PositionEmbeddingLookedUpOnce) {
  expect_exact(Position(), {4, 3}, "position embedding");
}

TEST_F(PeersGetWrong, EmptyBatchGivesZeros_GroupNorm) {
  auto subject = subject_of(
      nn::Sequential(nn::Conv2d(2, 4, 2), nn::GroupNorm(2, 4), nn::Flatten(), nn::Linear(36, 2)),
      {2, 4, 4});
  const auto answer = clipped_sums(subject, subject.inputs(0), Clipping());
  ASSERT_EQ(answer.sums.size(), 6u);
  for (const auto& sum : answer.sums) EXPECT_TRUE(torch::equal(sum, torch::zeros_like(sum)));
  EXPECT_EQ(answer.norms.numel(), 0);
}

// Parameters that others freeze in silence are trained: each of them gets a gradient.
TEST_F(PeersGetWrong, NoParameterIsFrozenInSilence) {
  nn::LSTM lstm(nn::LSTMOptions(3, 4).num_layers(2).bidirectional(true).batch_first(true));
  auto subject = subject_of(nn::Sequential(nn::Linear(1, 1)), {5, 3});
  lstm->to(test_device(), torch::kFloat64);
  subject.parameters = parameters_of(lstm);
  subject.losses = [lstm](const torch::Tensor& inputs) mutable {
    return loss_of(std::get<0>(lstm->forward(inputs)));
  };
  const auto answer = clipped_sums(subject, subject.inputs(3), Clipping());
  ASSERT_EQ(answer.sums.size(), 16u);
  for (const auto& sum : answer.sums) EXPECT_GT(sum.abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace starling::testing
