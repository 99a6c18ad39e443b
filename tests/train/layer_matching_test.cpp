#include "starling/train/layer_matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "starling/core/error.h"
#include "starling/nn/state.h"
#include "starling/train/distill.h"

namespace starling {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr double kStep = 1e-6;

// A network of `channels` on images of 6 x 6 with three classes; layers 0 to 4, 3 named "wide".
std::shared_ptr<Model> network(int64_t channels, uint64_t seed, int64_t padding = 1) {
  const Json layers = {
      {"layers",
       {{{"kind", "conv2d"}, {"out_channels", channels}, {"kernel_size", 3}, {"padding", padding}},
        {{"kind", "tanh"}},
        {{"kind", "flatten"}},
        {{"kind", "linear"}, {"name", "wide"}, {"out_features", 2 * channels}},
        {{"kind", "linear"}}}}};
  torch::manual_seed(seed);
  auto model = model_from_json(layers, "network.json", {1, 6, 6}, 3)();
  model->to(torch::kDouble);
  return model;
}

torch::Tensor images(int64_t count) {
  torch::manual_seed(7);
  return torch::randn({count, 1, 6, 6}, torch::kDouble);
}

LayerMatch hint(const std::string& teacher, const std::string& student, double weight = 1.0) {
  return {MatchKind::hint, teacher, student, weight};
}
LayerMatch attention(const std::string& teacher, const std::string& student, double weight = 1.0) {
  return {MatchKind::attention, teacher, student, weight};
}

torch::Tensor parameter(const torch::nn::Module& module, const std::string& name) {
  return module.named_parameters()[name];
}

TEST(AttentionMap, IsTheSumOfSquaresOverChannelsWithNormOne) {
  const auto activations =
      torch::tensor({1.0, -2.0, 0.0, 3.0, 2.0, 1.0, 0.0, -1.0}).view({1, 2, 2, 2});
  const auto expected = torch::tensor({{5.0, 5.0, 0.0, 10.0}}) / std::sqrt(150.0);
  EXPECT_TRUE(at::allclose(attention_map(activations), expected));
  EXPECT_EQ(attention_map(torch::zeros({2, 3, 2, 2})).abs().sum().item<double>(), 0.0);
}

TEST(MatchedStudent, LossesMatchTheirDefinitionWrittenOut) {
  const auto teacher = network(5, 1), student = network(2, 2);
  const auto features = images(3);
  const std::vector<LayerMatch> matches{hint("wide", "wide", 0.5), hint("1", "0"),
                                        attention("1", "1", 3.0)};
  const auto targets = layer_targets(*teacher, features, matches, 2);
  MatchedStudent matched(student, *teacher, matches, features);
  const auto [logits, losses] = matched.match(features, targets);
  EXPECT_TRUE(at::equal(logits, student->forward(features)));

  const auto conv = [&](Model& model) {
    return at::conv2d(features, parameter(model, "0.weight"), parameter(model, "0.bias"), 1, 1);
  };
  const auto wide = [&](Model& model) {
    return at::linear(conv(model).tanh().flatten(1), parameter(model, "wide.weight"),
                      parameter(model, "wide.bias"));
  };
  const auto value = [](const torch::Tensor& tensor, at::IntArrayRef at) {
    auto one = tensor;
    for (const int64_t i : at) one = one[i];
    return one.item<double>();
  };
  const auto weight0 = parameter(matched, "projection0_weight");
  const auto bias0 = parameter(matched, "projection0_bias");
  const auto weight1 = parameter(matched, "projection1_weight");
  const auto bias1 = parameter(matched, "projection1_bias");
  ASSERT_EQ(weight0.sizes(), (std::vector<int64_t>{10, 4}));
  ASSERT_EQ(weight1.sizes(), (std::vector<int64_t>{5, 2, 1, 1}));
  const auto t_wide = wide(*teacher), s_wide = wide(*student);
  const auto t_image = conv(*teacher).tanh(), s_image = conv(*student);
  for (int64_t b = 0; b < 3; ++b) {
    double dense = 0.0;
    for (int64_t o = 0; o < 10; ++o) {
      double projected = value(bias0, {o});
      for (int64_t i = 0; i < 4; ++i) projected += value(weight0, {o, i}) * value(s_wide, {b, i});
      dense += std::pow(projected - value(t_wide, {b, o}), 2) / 10;
    }
    double image = 0.0, t_norm = 0.0, s_norm = 0.0;
    std::vector<double> t_map, s_map;
    for (int64_t place = 0; place < 36; ++place) {
      const int64_t y = place / 6, x = place % 6;
      double t_energy = 0.0, s_energy = 0.0;
      for (int64_t o = 0; o < 5; ++o) {
        double projected = value(bias1, {o});
        for (int64_t i = 0; i < 2; ++i)
          projected += value(weight1, {o, i, 0, 0}) * value(s_image, {b, i, y, x});
        image += std::pow(projected - value(t_image, {b, o, y, x}), 2) / (5 * 36);
        t_energy += std::pow(value(t_image, {b, o, y, x}), 2);
      }
      for (int64_t i = 0; i < 2; ++i)
        s_energy += std::pow(std::tanh(value(s_image, {b, i, y, x})), 2);
      t_map.push_back(t_energy);
      s_map.push_back(s_energy);
      t_norm += t_energy * t_energy;
      s_norm += s_energy * s_energy;
    }
    double maps = 0.0;
    for (size_t i = 0; i < t_map.size(); ++i)
      maps += std::pow(t_map[i] / std::sqrt(t_norm) - s_map[i] / std::sqrt(s_norm), 2);
    EXPECT_NEAR(value(losses, {b}), 0.25 * dense + 0.5 * image + 1.5 * maps, 1e-12);
  }
}

// A student whose image is larger by two meets the teacher's through a kernel of 3 x 3.
TEST(MatchedStudent, ProjectsALargerImageByALargerKernel) {
  const auto teacher = network(5, 1, /*padding=*/0), student = network(2, 2);
  const auto features = images(2);
  const std::vector<LayerMatch> matches{hint("0", "0")};
  MatchedStudent matched(student, *teacher, matches, features);
  EXPECT_EQ(parameter(matched, "projection0_weight").sizes(), (std::vector<int64_t>{5, 2, 3, 3}));
  const auto [logits, losses] =
      matched.match(features, layer_targets(*teacher, features, matches, 2));
  EXPECT_TRUE(at::isfinite(losses).all().item<bool>());
}

TEST(MatchedStudent, GradientsAgreeWithCentralDifferences) {
  const auto teacher = network(3, 1), student = network(2, 2);
  const auto features = images(4);
  const std::vector<LayerMatch> matches{hint("1", "1", 0.7), hint("wide", "wide"),
                                        attention("1", "1", 2.0)};
  const auto targets = layer_targets(*teacher, features, matches, 4);
  MatchedStudent matched(student, *teacher, matches, features);
  const auto loss = [&] { return matched.match(features, targets).losses.sum(); };
  loss().backward();
  int64_t moved = 0;
  torch::NoGradGuard no_grad;
  for (const auto& item : matched.named_parameters()) {
    auto parameter = item.value();
    if (item.key().starts_with("student.4")) continue;  // behind every matched layer
    auto direction = torch::randn_like(parameter);
    parameter += kStep * direction;
    const double above = loss().item<double>();
    parameter -= 2 * kStep * direction;
    const double below = loss().item<double>();
    parameter += kStep * direction;
    const double derivative = (parameter.grad() * direction).sum().item<double>();
    EXPECT_NEAR((above - below) / (2 * kStep), derivative, 1e-6 * (1 + std::abs(derivative)))
        << item.key();
    moved += std::abs(derivative) > 1e-3 ? 1 : 0;
  }
  EXPECT_EQ(moved, 8);  // two layers of the student and two projections, weight and bias each
}

LocalPlan plan_of(int64_t steps) {
  LocalPlan plan;
  plan.steps = steps;
  plan.batch_size = 16;
  plan.optimizer = SgdSpec{.learning_rate = 0.05};
  return plan;
}

TEST(Distill, TrainsTheStudentAndItsProjectionTowardTheTeachersLayers) {
  const auto teacher = network(5, 1), student = network(2, 2);
  const auto features = images(64);
  const std::vector<LayerMatch> matches{hint("1", "1"), attention("1", "1")};
  const auto targets = soften(logits_of(*teacher, features, 64), 2.0);
  const auto layers = layer_targets(*teacher, features, matches, 64);
  MatchedStudent matched(student, *teacher, matches, features);
  const auto mean_loss = [&] {
    torch::NoGradGuard no_grad;
    return matched.match(features, layers).losses.mean().item<double>();
  };
  const double before = mean_loss();
  const auto projection = parameter(matched, "projection0_weight").detach().clone();
  const auto own = state_of(*student);
  distill(matched, {features, {}}, targets, layers, {2.0, 0.0}, plan_of(100),
          {RandomKey::from_seed(1), 0, 0});
  EXPECT_LT(mean_loss(), 0.8 * before);
  EXPECT_GT((parameter(matched, "projection0_weight") - projection).norm().item<double>(), 0.05);
  EXPECT_GT(l2_norm(subtract(state_of(*student), own)), 0.05);
}

TEST(MatchedStudent, RefusesLayersThatDoNotFitByName) {
  const auto features = images(2);
  const auto attempt = [&](const LayerMatch& match, int64_t teacher_padding = 1) {
    const auto teacher = network(5, 1, teacher_padding);
    MatchedStudent(network(2, 2), *teacher, {match}, features);
  };
  const auto complaint = [&](const LayerMatch& match, const std::string& reason,
                             int64_t teacher_padding = 1) {
    EXPECT_THAT([&] { attempt(match, teacher_padding); }, ThrowsMessage<Error>(HasSubstr(reason)));
  };
  EXPECT_NO_THROW(attempt(hint("0", "1")));
  complaint(hint("0", "wide"), "hint 0:wide: the teacher's layer makes [2, 5, 6, 6]");
  complaint(attention("wide", "wide"), "attention needs [batch, channels, height, width]");
  complaint(attention("0", "0"), "attention needs images of one size", 0);
  complaint(hint("0", "0"), "at least as large as the teacher's", 2);
  complaint(hint("0", "9"), "student: the model has no outermost layer named \"9\"");
  complaint(hint("wise", "0"),
            "teacher: the model has no outermost layer named \"wise\" (did you mean \"wide\"?)");
  complaint(hint("0", "0", 0.0), "is not above 0");
}

}  // namespace
}  // namespace starling
