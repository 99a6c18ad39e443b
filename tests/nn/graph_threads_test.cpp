// The norms of examples are the same on any number of threads, and so are our own sums. Sizes are
// such that every loop is worth several threads. The losses are linear in the layer's outputs, so
// that nothing of LibTorch's own arithmetic comes before the rules.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

#include "starling/nn/per_example.h"

namespace starling {
namespace {

struct Gradients {
  torch::Tensor norms;
  std::vector<torch::Tensor> sums;
};

class GraphThreads : public ::testing::Test {
 protected:
  GraphThreads() { torch::manual_seed(1); }
  ~GraphThreads() override { torch::set_num_threads(before_); }

  template <class Holder>
  static Gradients on_threads(int threads, Holder& layer, const torch::Tensor& inputs) {
    torch::set_num_threads(threads);
    NamedParameters parameters;
    for (const auto& item : layer->named_parameters()) {
      item.value().mutable_grad() = torch::Tensor();
      parameters.emplace_back(item.key(), item.value());
    }
    PerExampleGradients gradients(parameters);
    const auto outputs = layer->forward(inputs);
    torch::manual_seed(2);
    const auto losses = (outputs * torch::randn(outputs.sizes())).flatten(1).sum(1);
    Gradients result{gradients.backward(losses, Clipping{}).norms, {}};
    for (const auto& item : parameters) result.sums.push_back(item.second.grad());
    return result;
  }

  // Some sums are one product of LibTorch's, which may add up in another order.
  template <class Holder>
  static void expect_same(Holder layer, const torch::Tensor& inputs, double tolerance = 1e-5,
                          double of_norms = 0) {
    const auto one = on_threads(1, layer, inputs), three = on_threads(3, layer, inputs);
    EXPECT_TRUE(torch::allclose(one.norms, three.norms, of_norms, 0));
    for (size_t i = 0; i < one.sums.size(); ++i)
      EXPECT_TRUE(torch::allclose(one.sums[i], three.sums[i], tolerance, tolerance)) << i;
  }

 private:
  const int before_ = torch::get_num_threads();
};

TEST_F(GraphThreads, Linear) { expect_same(torch::nn::Linear(64, 50), torch::randn({500, 64})); }

TEST_F(GraphThreads, LinearOnSequences) {
  expect_same(torch::nn::Linear(37, 23), torch::randn({31, 40, 37}));
  expect_same(torch::nn::Linear(200, 100), torch::randn({31, 40, 200}));
}

TEST_F(GraphThreads, Convolution) {
  expect_same(torch::nn::Conv2d(torch::nn::Conv2dOptions(16, 20, 3).padding(1)),
              torch::randn({31, 16, 12, 12}));
}

TEST_F(GraphThreads, GroupNorm) {
  expect_same(torch::nn::GroupNorm(2, 16), torch::randn({31, 16, 20, 20}));
}

struct LstmOutputs {
  torch::nn::LSTM lstm{torch::nn::LSTMOptions(20, 30).batch_first(true)};
  auto named_parameters() const { return lstm->named_parameters(); }
  torch::Tensor forward(const torch::Tensor& inputs) { return std::get<0>(lstm->forward(inputs)); }
  LstmOutputs* operator->() { return this; }
};

// LibTorch's forward pass may differ; 64 x 40 x 30 states are worth several threads.
TEST_F(GraphThreads, Lstm) { expect_same(LstmOutputs{}, torch::randn({64, 40, 20}), 1e-4, 1e-5); }

TEST_F(GraphThreads, Embedding) {
  expect_same(torch::nn::Embedding(5000, 256), torch::randint(5000, {31, 20}));
}

}  // namespace
}  // namespace starling
