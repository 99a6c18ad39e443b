// The bound: no example's contribution exceeds C (1 + 1e-6), whatever its gradient.

#include <limits>

#include "nn/per_example_harness.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

constexpr double kBoundTolerance = 1e-6;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

nn::Sequential small_network() {
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(1, 5, 3).padding(1)), nn::GroupNorm(1, 5),
                        nn::Tanh(), nn::Flatten(nn::FlattenOptions().start_dim(2)),
                        nn::Linear(16, 6), nn::LayerNorm(nn::LayerNormOptions({6})), nn::Flatten(),
                        nn::Linear(30, 4));
}

Subject scaled_losses(nn::Sequential model, torch::Tensor scales) {
  Subject subject;
  subject.parameters = parameters_of(model);
  subject.losses = [=](const torch::Tensor& inputs) mutable {
    return loss_of(model->forward(inputs)) * scales;
  };
  return subject;
}

double norm_of(const Answer& answer) {
  double squares = 0;
  for (const auto& sum : answer.sums) {
    const double norm = sum.to(torch::kFloat64).norm().item<double>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

class PerExampleBounds : public ::testing::TestWithParam<torch::ScalarType> {
 protected:
  void SetUp() override { torch::manual_seed(5); }
};

TEST_P(PerExampleBounds, clip_exact_NoContributionExceedsTheBound) {
  const auto dtype = GetParam();
  for (double scale : {0.0, 1e-30, 1e-3, 1.0, 1e3, 1e30, -1e30}) {
    for (const auto& clipping : clippings(10)) {
      auto model = small_network();
      model->to(test_device(), dtype);
      const auto inputs = normal({1, 1, 4, 4}, dtype);
      const auto subject = scaled_losses(model, torch::full({1}, scale, inputs.options()));
      const auto answer = clipped_sums(subject, inputs, clipping);
      const double norm = norm_of(answer);
      EXPECT_TRUE(norm <= clipping.norm * (1 + kBoundTolerance))
          << "scale " << scale << ": a contribution of " << norm;
      EXPECT_EQ(answer.non_finite, 0) << "scale " << scale;
      if (std::abs(scale) >= 1e3 && clipping.kind == Clipping::Kind::flat) {
        EXPECT_GT(norm, clipping.norm * 0.999) << "clipped more than needed";
      }
    }
  }
}

TEST_P(PerExampleBounds, clip_exact_NonFiniteExampleContributesZeroAndIsCounted) {
  const auto dtype = GetParam();
  for (double bad : {kNaN, kInfinity, -kInfinity}) {
    auto model = small_network();
    model->to(test_device(), dtype);
    const auto inputs = normal({4, 1, 4, 4}, dtype);
    auto scales = torch::ones({4}, inputs.options());
    const auto three = scaled_losses(model, torch::ones({3}, inputs.options()));
    const auto expected = clipped_sums(three, inputs.slice(0, 1, 4), Clipping());

    scales[0] = bad;
    auto answer = clipped_sums(scaled_losses(model, scales), inputs, Clipping());
    EXPECT_EQ(answer.non_finite, 1) << "loss scaled by " << bad;
    for (size_t p = 0; p < answer.sums.size(); ++p) {
      expect_close(answer.sums[p], expected.sums[p].to(torch::kFloat64), "loss", 1e-4);
    }

    auto poisoned = inputs.clone();
    poisoned[0][0][1][2] = bad;
    answer = clipped_sums(scaled_losses(model, torch::ones({4}, inputs.options())), poisoned,
                          Clipping());
    EXPECT_EQ(answer.non_finite, 1) << "pixel of " << bad;
    for (size_t p = 0; p < answer.sums.size(); ++p) {
      expect_close(answer.sums[p], expected.sums[p].to(torch::kFloat64), "pixel", 1e-4);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, PerExampleBounds,
                         ::testing::Values(torch::kFloat32, torch::kFloat64));

// Several uses, sequences and memory budgets all keep the bound in single precision.
TEST(PerExampleBounds, SequencesKeepTheBoundInSinglePrecision) {
  torch::manual_seed(6);
  for (int64_t length : {1, 2, 3, 17, 64}) {
    nn::Sequential model(nn::Linear(24, 40), nn::Tanh(), nn::Linear(40, 8));
    model->to(test_device());
    Subject subject;
    subject.parameters = parameters_of(model);
    subject.losses = [=](const torch::Tensor& inputs) mutable {
      return loss_of(model->forward(inputs)) * 100;
    };
    const auto answer = clipped_sums(subject, normal({1, length, 24}, torch::kFloat32), Clipping());
    const double norm = norm_of(answer);
    EXPECT_TRUE(norm <= 1 + kBoundTolerance) << "length " << length << ": " << norm;
    EXPECT_GT(norm, 0.999);
  }
}

}  // namespace
}  // namespace starling::testing
