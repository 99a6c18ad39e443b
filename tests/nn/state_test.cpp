#include "starling/nn/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "starling/core/error.h"
#include "starling/nn/model.h"

namespace starling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& problem) {
    return problem.what();
  }
  return "accepted";
}

StateDict state_with(std::vector<float> weight, float bias = 0.0F, int64_t counter = 0) {
  return {{{"weight", torch::tensor(weight), false},
           {"bias", torch::tensor({bias}), false},
           {"counter", torch::tensor({counter}), true}}};
}

std::vector<float> values(const StateDict& state, const std::string& name) {
  const auto tensor = state.at(name).contiguous();
  return {tensor.const_data_ptr<float>(), tensor.const_data_ptr<float>() + tensor.numel()};
}

bool same(const StateDict& a, const StateDict& b) {
  if (a.names() != b.names()) return false;
  for (size_t i = 0; i < a.tensors.size(); ++i)
    if (!torch::equal(a.tensors[i].value, b.tensors[i].value) ||
        a.tensors[i].value.scalar_type() != b.tensors[i].value.scalar_type() ||
        a.tensors[i].buffer != b.tensors[i].buffer)
      return false;
  return true;
}

torch::nn::Sequential small_network() {
  return torch::nn::Sequential(torch::nn::Conv2d(1, 2, 3), torch::nn::BatchNorm2d(2),
                               torch::nn::Flatten(), torch::nn::Linear(8, 3));
}

TEST(State, HoldsParametersThenBuffersAsCopies) {
  auto model = as_model(small_network());
  const auto state = state_of(*model);
  EXPECT_THAT(
      state.names(),
      testing::ElementsAre("module.0.weight", "module.0.bias", "module.1.weight", "module.1.bias",
                           "module.3.weight", "module.3.bias", "module.1.running_mean",
                           "module.1.running_var", "module.1.num_batches_tracked"));
  EXPECT_FALSE(state.tensors[5].buffer);
  EXPECT_TRUE(state.tensors[6].buffer);
  EXPECT_FALSE(state.at("module.0.weight").requires_grad());
  const auto before = clone(state);
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : model->parameters()) parameter.fill_(3.0);
  }
  EXPECT_TRUE(same(state, before));
}

TEST(State, LoadCopiesEveryTensorByName) {
  auto source = as_model(small_network());
  auto target = as_model(small_network());
  auto state = state_of(*source);
  EXPECT_FALSE(same(state, state_of(*target)));
  std::reverse(state.tensors.begin(), state.tensors.end());
  load_state(*target, state);
  EXPECT_TRUE(same(state_of(*source), state_of(*target)));
}

TEST(State, LoadNamesTheTensorThatDoesNotFitAndWritesNothing) {
  auto model = as_model(small_network());
  const auto before = state_of(*model);
  auto attempt = [&](auto change) {
    auto state = clone(before);
    for (auto& tensor : state.tensors)
      if (tensor.value.is_floating_point()) tensor.value.fill_(9.0);
    change(state);
    return error_of([&] { load_state(*model, state); });
  };
  EXPECT_THAT(attempt([](StateDict& s) { s.tensors.pop_back(); }),
              HasSubstr("has no tensor \"module.1.num_batches_tracked\""));
  EXPECT_THAT(attempt([](StateDict& s) { s.tensors[0].name = "module.0.wieght"; }),
              HasSubstr("did you mean \"module.0.weight\"?"));
  EXPECT_THAT(attempt([](StateDict& s) { s.tensors[5].value = torch::ones({4}); }),
              AllOf(HasSubstr("module.3.bias"), HasSubstr("[4]"), HasSubstr("[3]")));
  EXPECT_THAT(attempt([](StateDict& s) { s.tensors[5].value = torch::ones({3}, torch::kDouble); }),
              AllOf(HasSubstr("Double"), HasSubstr("Float")));
  EXPECT_THAT(attempt([](StateDict& s) { s.tensors.push_back(s.tensors[0]); }), HasSubstr("twice"));
  EXPECT_TRUE(same(state_of(*model), before));
}

TEST(WeightedMean, EqualsTheDefinitionOnPowersOfTwo) {
  const StateDict states[] = {state_with({2.0F, 4.0F}, 8.0F, 5), state_with({6.0F, 8.0F}, 0.0F, 9)};
  const double weights[] = {1.0, 3.0};
  const auto mean = weighted_mean(states, weights);
  EXPECT_EQ(values(mean, "weight"), (std::vector<float>{5.0F, 7.0F}));
  EXPECT_EQ(values(mean, "bias"), (std::vector<float>{2.0F}));
  EXPECT_EQ(mean.at("counter").item<int64_t>(), 5);
  EXPECT_TRUE(mean.tensors[2].buffer);
}

TEST(WeightedMean, IsInvariantToTheScaleOfTheWeights) {
  const StateDict states[] = {state_with({0.1F, -3.0F}), state_with({0.7F, 2.0F})};
  const double small[] = {1.0, 2.0};
  const double large[] = {1024.0, 2048.0};
  EXPECT_TRUE(same(weighted_mean(states, small), weighted_mean(states, large)));
}

TEST(WeightedMean, AccumulatesInDouble) {
  std::vector<StateDict> states(4096, state_with({0.1F, 1e-8F}));
  states[0] = state_with({0.1F, 1.0F});
  const std::vector<double> weights(states.size(), 1.0);
  const auto mean = values(weighted_mean(states, weights), "weight");
  EXPECT_EQ(mean[0], 0.1F);
  EXPECT_EQ(mean[1], static_cast<float>((1.0 + 4095.0 * static_cast<double>(1e-8F)) / 4096.0));
}

TEST(WeightedMean, KeepsExtremeFiniteValues) {
  const StateDict states[] = {state_with({3e38F, 1e-45F}), state_with({3e38F, 1e-45F})};
  const double weights[] = {1e18, 1e18};
  EXPECT_EQ(values(weighted_mean(states, weights), "weight"), (std::vector<float>{3e38F, 1e-45F}));
}

TEST(WeightedMean, RefusesNumbersAndWeightsThatDoNotFit) {
  const std::vector<StateDict> states{state_with({1.0F}), state_with({2.0F})};
  auto attempt = [&](std::vector<double> weights) {
    return error_of([&] { weighted_mean(states, weights); });
  };
  EXPECT_THAT(attempt({1.0}), HasSubstr("2 models and 1 weights"));
  EXPECT_THAT(attempt({0.0, 0.0}), HasSubstr("total weight of the models is 0"));
  EXPECT_THAT(attempt({1.0, -1.0}), HasSubstr("model 1: the weight -1"));
  EXPECT_THAT(attempt({kNaN, 1.0}), HasSubstr("model 0: the weight nan"));
  EXPECT_THAT(attempt({1.0, INFINITY}), HasSubstr("model 1: the weight inf"));
  EXPECT_THAT(attempt({1.7e308, 1.7e308}), HasSubstr("total weight of the models is inf"));
  EXPECT_THAT(error_of([] { weighted_mean({}, {}); }), HasSubstr("at least one model"));
}

TEST(WeightedMean, NamesModelAndTensorOfNonFiniteValues) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const StateDict states[] = {state_with({1.0F, 2.0F}), state_with({1.0F, bad})};
    const double weights[] = {1.0, 0.0};
    EXPECT_THAT(error_of([&] { weighted_mean(states, weights); }),
                HasSubstr("model 1: tensor \"weight\" holds a NaN or an infinity"));
  }
}

TEST(WeightedMean, RefusesEveryOtherLayout) {
  const auto good = state_with({1.0F, 2.0F});
  auto attempt = [&](auto change) {
    std::vector<StateDict> states{good, clone(good)};
    change(states[1].tensors);
    const double weights[] = {1.0, 1.0};
    return error_of([&] { weighted_mean(states, weights); });
  };
  EXPECT_THAT(attempt([](auto& t) { t.pop_back(); }), HasSubstr("model 1: has 2 tensors; 3"));
  EXPECT_THAT(attempt([](auto& t) { t.push_back(t[0]); }), HasSubstr("has 4 tensors"));
  EXPECT_THAT(attempt([](auto& t) { t[1].name = "bais"; }), HasSubstr("\"bais\" stands where"));
  EXPECT_THAT(attempt([](auto& t) { std::swap(t[0], t[1]); }), HasSubstr("stands where"));
  for (const auto& other :
       {torch::ones({2, 1}), torch::ones({1, 2}), torch::ones({0}), torch::ones({3}),
        torch::ones({2}, torch::kDouble), torch::ones({2}, torch::kHalf),
        torch::ones({2}, torch::kLong), torch::ones({2}, torch::kComplexFloat)})
    EXPECT_THAT(attempt([&](auto& t) { t[0].value = other; }),
                AllOf(HasSubstr("model 1: tensor \"weight\" is"), HasSubstr("Float [2]")));
  EXPECT_THAT(attempt([](auto& t) { t[0].value = torch::Tensor(); }), HasSubstr("undefined"));
}

TEST(WeightedMean, TakesNonContiguousTensors) {
  auto strided = state_with({1.0F, 2.0F});
  strided.tensors[0].value = torch::tensor({5.0F, 0.0F, 7.0F, 0.0F}).slice(0, 0, 4, 2);
  const StateDict states[] = {state_with({1.0F, 3.0F}), strided};
  const double weights[] = {1.0, 1.0};
  EXPECT_EQ(values(weighted_mean(states, weights), "weight"), (std::vector<float>{3.0F, 5.0F}));
}

TEST(StateMean, RefusedModelLeavesNoTrace) {
  const auto layout = state_with({0.0F, 0.0F});
  StateMean mean(layout);
  mean.add(state_with({2.0F, 4.0F}, 1.0F, 3), 1.0);
  EXPECT_THROW(mean.add(state_with({100.0F, 100.0F}, NAN, 8), 1.0), Error);
  EXPECT_THROW(mean.add(state_with({100.0F, 100.0F, 100.0F}), 1.0), Error);
  EXPECT_THROW(mean.add(state_with({100.0F, 100.0F}), -1.0), Error);
  EXPECT_EQ(mean.total_weight(), 1.0);
  EXPECT_EQ(mean.count(), 1);
  EXPECT_EQ(values(mean.mean(), "weight"), (std::vector<float>{2.0F, 4.0F}));
  EXPECT_EQ(mean.mean().at("counter").item<int64_t>(), 3);
}

TEST(StateMean, WithoutWeightHasNoMean) {
  StateMean mean(state_with({1.0F}));
  EXPECT_THROW(mean.mean(), Error);
  mean.add(state_with({1.0F}), 0.0);
  EXPECT_THROW(mean.mean(), Error);
}

TEST(StateMean, EqualsTheBatchForm) {
  torch::manual_seed(3);
  std::vector<StateDict> states;
  std::vector<double> weights;
  for (int i = 0; i < 5; ++i) {
    states.push_back(state_of(*as_model(small_network())));
    weights.push_back(0.3 * i + 0.1);
  }
  StateMean mean(states[0]);
  for (size_t i = 0; i < states.size(); ++i) mean.add(states[i], weights[i]);
  EXPECT_TRUE(same(mean.mean(), weighted_mean(states, weights)));
}

TEST(StateArithmetic, SubtractsAddsAndMeasures) {
  const auto a = state_with({4.0F, 5.0F}, 2.0F, 7);
  const auto b = state_with({1.0F, 1.0F}, 2.0F, 1);
  const auto difference = subtract(a, b);
  EXPECT_EQ(values(difference, "weight"), (std::vector<float>{3.0F, 4.0F}));
  EXPECT_EQ(difference.at("counter").item<int64_t>(), 7);
  EXPECT_EQ(l2_norm(difference), 5.0);
  EXPECT_EQ(values(add_scaled(a, b, 0.5), "weight"), (std::vector<float>{4.5F, 5.5F}));
  EXPECT_THROW(subtract(a, state_with({1.0F})), Error);
}

TEST(StateArithmetic, NormIsTheSameOnAnyNumberOfThreads) {
  torch::manual_seed(5);
  const StateDict state{{{"w", torch::randn({1000003}), false}}};
  const int threads = torch::get_num_threads();
  torch::set_num_threads(1);
  const double one = l2_norm(state);
  torch::set_num_threads(4);
  const double four = l2_norm(state);
  torch::set_num_threads(threads);
  EXPECT_EQ(one, four);
  const double reference = state.at("w").to(torch::kDouble).norm().item<double>();
  EXPECT_NEAR(one, reference, 1e-9 * reference);
}

TEST(StateArithmetic, NormOfLargeAndSmallValuesIsFinite) {
  EXPECT_NEAR(l2_norm(state_with({3e38F, 4e-38F})) / 3e38, 1.0, 1e-6);
  EXPECT_TRUE(std::isnan(l2_norm(state_with({NAN}))));
  EXPECT_FALSE(all_finite(state_with({NAN})));
  EXPECT_EQ(first_non_finite(state_with({1.0F}, INFINITY)), "bias");
  EXPECT_TRUE(all_finite(state_with({3e38F})));
}

TEST(StateFile, RoundTripIsExactForEveryDtype) {
  StateDict state;
  for (const auto dtype : {torch::kFloat32, torch::kFloat64, torch::kInt64, torch::kInt32,
                           torch::kUInt8, torch::kBool, torch::kHalf, torch::kBFloat16})
    state.tensors.push_back(
        {torch::toString(dtype), torch::arange(6).view({2, 3}).to(dtype), dtype == torch::kInt64});
  state.tensors.push_back({"scalar", torch::tensor(2.5), false});
  state.tensors.push_back({"empty", torch::empty({0, 4}), false});
  EXPECT_TRUE(same(from_safetensors(to_safetensors(state), "m"), state));
}

TEST(StateFile, ModelsRoundTripThroughAFileWithEqualBytes) {
  const std::string path = testing::TempDir() + "starling_state_test.safetensors";
  auto model = as_model(small_network());
  save_state(state_of(*model), path);
  const auto read = load_state_file(path);
  EXPECT_TRUE(same(read, state_of(*model)));
  EXPECT_EQ(to_safetensors(read), to_safetensors(state_of(*model)));
  auto other = as_model(small_network());
  load_initial(*other, path);
  EXPECT_TRUE(same(state_of(*other), state_of(*model)));
  std::filesystem::remove(path);
}

TEST(StateFile, NonContiguousTensorsAreWrittenInOrder) {
  const auto matrix = torch::arange(6, torch::kFloat32).view({2, 3});
  const StateDict transposed{{{"w", matrix.t(), false}}};
  const auto read = from_safetensors(to_safetensors(transposed), "m");
  EXPECT_TRUE(torch::equal(read.at("w"), matrix.t()));
}

TEST(StateFile, InitialThatDoesNotFitNamesFileAndTensor) {
  const std::string path = testing::TempDir() + "starling_initial_test.safetensors";
  save_state(state_with({1.0F}), path);
  auto model = as_model(small_network());
  EXPECT_THAT(error_of([&] { load_initial(*model, path); }),
              AllOf(HasSubstr(path), HasSubstr("no tensor \"weight\"")));
  std::filesystem::remove(path);
  EXPECT_THROW(load_initial(*model, path), InputError);
}

TEST(StateFile, ComplexTensorsAreRefused) {
  const StateDict state{{{"w", torch::ones({2}, torch::kComplexFloat), false}}};
  EXPECT_THAT(error_of([&] { to_safetensors(state); }), HasSubstr("tensor \"w\""));
}

}  // namespace
}  // namespace starling
