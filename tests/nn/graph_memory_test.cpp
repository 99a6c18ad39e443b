// What a private step holds: gradients handed over as they come, per-example gradients in pieces.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>
#include <stdexcept>
#include <vector>

#include "nn/graph/kept_rows.h"
#include "nn/graph/taps.h"
#include "nn/test_device.h"

namespace starling::graph {
namespace {

// 600 KB an example, so that a piece holds one.
constexpr int64_t kExamples = 5, kColumns = 150'000;
constexpr Keeping kNothingLetGo{.let_go = 0, .length = 1000};

struct Rows {
  torch::Tensor values = torch::randn({kExamples, kColumns});
  int calls = 0;
  ExampleRows::Compute compute = [this](int64_t begin, torch::Tensor& rows) {
    rows.copy_(values.slice(0, begin, begin + rows.size(0)));
    ++calls;
  };
};

void expect_weighted(const ExampleRows& rows, Rows& truth) {
  const auto factors = torch::rand({kExamples});
  const auto sum = rows.weighted_sum(factors, truth.compute);
  EXPECT_TRUE(torch::allclose(sum, factors.unsqueeze(0).mm(truth.values), 1e-5, 1e-5));
}

TEST(ExampleRows, KeepsPiecesWithinTheBudget) {
  torch::manual_seed(1);
  Rows truth;
  ExampleRows rows(kExamples, kColumns, torch::kFloat);
  MemoryBudget budget(kExamples * kColumns * 4);
  rows.compute(truth.compute, budget, kNothingLetGo);
  ASSERT_TRUE(rows.kept());
  const int calls = truth.calls;
  EXPECT_GT(calls, 1) << "the test should see several pieces";
  expect_weighted(rows, truth);
  EXPECT_EQ(truth.calls, calls) << "kept rows are not computed again";
  EXPECT_TRUE(torch::equal(rows.row(3), truth.values.slice(0, 3, 4)));
  EXPECT_FALSE(budget.take(1, {})) << "the budget is spent";
}

TEST(ExampleRows, ComputesAgainWhatDoesNotFit) {
  torch::manual_seed(2);
  Rows truth;
  ExampleRows rows(kExamples, kColumns, torch::kFloat);
  MemoryBudget budget(kExamples * kColumns * 4 - 1);
  rows.compute(truth.compute, budget, kNothingLetGo);
  ASSERT_FALSE(rows.kept());
  expect_weighted(rows, truth);
}

TEST(ExampleRows, ForgetsExamplesWhateverTheirPiece) {
  Rows truth;
  truth.values[4].fill_(std::numeric_limits<float>::infinity());
  ExampleRows rows(kExamples, kColumns, torch::kFloat);
  MemoryBudget budget(int64_t{1} << 30);
  rows.compute(truth.compute, budget, kNothingLetGo);
  rows.forget(torch::arange(kExamples).ne(4));
  EXPECT_EQ(rows.row(4).abs().max().item<float>(), 0);
  EXPECT_TRUE(torch::equal(rows.row(3), truth.values.slice(0, 3, 4)));
}

TEST(MemoryBudget, CountsWhatIsHeldMoreAndWhatIsQuickToComputeAgain) {
  MemoryBudget budget(1000);
  EXPECT_FALSE(budget.take(1500, {.let_go = 400, .length = 128}));
  EXPECT_TRUE(budget.take(1500, {.let_go = 600, .length = 128})) << "900 more";
  EXPECT_TRUE(budget.take(500, {.let_go = 600, .length = 1})) << "nothing more";
  EXPECT_FALSE(budget.take(60, {.let_go = 0, .length = 64})) << "quick: counts for 120";
  EXPECT_TRUE(budget.take(60, {.let_go = 10, .length = 64})) << "the 100 that are left";
  EXPECT_FALSE(budget.take(1, {.let_go = 0, .length = 5000}));
}

class Taps : public ::testing::Test {
 protected:
  Taps() {
    torch::manual_seed(3);
    LeafIndex leaves{{first_.unsafeGetTensorImpl(), 0}, {second_.unsafeGetTensorImpl(), 1}};
    losses_ = on_device({4, 3}).mm(first_).tanh().mm(second_).sum(1);
    tape_ = read_tape(losses_, leaves, {});
    edges_ = edges();
  }

  std::vector<Edge> edges() const {
    std::vector<Edge> all;
    for (const auto* node : tape_.nodes)
      all.insert(all.end(), node->next_edges().begin(), node->next_edges().end());
    return all;
  }

  static torch::Tensor on_device(torch::IntArrayRef sizes) {
    return torch::randn(sizes).to(starling::testing::test_device());
  }

  torch::Tensor first_ = on_device({3, 5}).requires_grad_();
  torch::Tensor second_ = on_device({5, 2}).requires_grad_();
  torch::Tensor losses_;
  Tape tape_;
  std::vector<Edge> edges_;
};

TEST_F(Taps, HandOverWhatTheCaptureSeesAndLeaveTheGraphAsItWas) {
  ASSERT_EQ(tape_.uses.size(), 2u);
  const auto expected = capture(tape_.uses, losses_, torch::ones_like(losses_));
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<size_t> order;
    backward_with_taps(tape_, losses_, KeepGraph::yes, [&](size_t use, Gradients gradients) {
      order.push_back(use);
      EXPECT_TRUE(torch::equal(gradients.at(0), expected[use].gradients.at(0)));
    });
    EXPECT_EQ(order.size(), 2u);
    EXPECT_EQ(edges(), edges_);
  }
}

TEST_F(Taps, LeaveTheGraphAsItWasAfterAnError) {
  EXPECT_THROW(backward_with_taps(tape_, losses_, KeepGraph::yes,
                                  [](size_t, Gradients) { throw std::runtime_error("stop"); }),
               std::runtime_error);
  EXPECT_EQ(edges(), edges_);
}

}  // namespace
}  // namespace starling::graph
