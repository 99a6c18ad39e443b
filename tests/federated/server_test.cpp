#include "starling/federated/server.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "starling/core/error.h"

namespace starling {
namespace {

StateDict state_of_values(std::vector<float> values, int64_t counter = 0) {
  StateDict state;
  state.tensors.push_back({"w", torch::tensor(values), false});
  state.tensors.push_back({"batches", torch::tensor({counter}, torch::kLong), true});
  return state;
}

ClientUpdate update_of(int64_t client, int64_t examples, std::vector<float> values) {
  return {client, examples, state_of_values(std::move(values), 7), {}};
}

std::vector<float> weights_of(const Server& server) {
  const auto w = server.global().at("w").contiguous();
  return {w.data_ptr<float>(), w.data_ptr<float>() + w.numel()};
}

TEST(Server, AveragesByExamples) {
  Server server(state_of_values({0, 0}), make_strategy(FedAvgSpec{Weighting::examples}));
  const auto result = server.aggregate({update_of(0, 30, {2, 4}), update_of(1, 10, {6, 0})});
  EXPECT_EQ(result.used, 2);
  EXPECT_EQ(weights_of(server), (std::vector<float>{3, 3}));
}

TEST(Server, AveragesUniformly) {
  Server server(state_of_values({0, 0}), make_strategy(FedAvgSpec{Weighting::uniform}));
  server.aggregate({update_of(0, 30, {2, 4}), update_of(1, 10, {6, 0})});
  EXPECT_EQ(weights_of(server), (std::vector<float>{4, 2}));
}

// Reliability cases 20 to 22: the bad update leaves no trace in the mean.
TEST(Server, LeavesOutBadUpdatesWhole) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  auto renamed = update_of(3, 10, {100, 100});
  renamed.state.tensors[0].name = "v";
  auto half = update_of(4, 10, {100, 100});
  half.state.tensors[0].value = half.state.tensors[0].value.to(torch::kHalf);
  Server server(state_of_values({0, 0}), make_strategy(FedAvgSpec{}));
  const auto result = server.aggregate({update_of(0, 10, {2, 4}), update_of(1, 10, {1, nan}),
                                        update_of(2, 10, {infinity, 0}), renamed, half,
                                        update_of(5, 10, {1, 1, 1})});
  EXPECT_EQ(result.used, 1);
  EXPECT_EQ(result.rejected, 5);
  EXPECT_EQ(weights_of(server), (std::vector<float>{2, 4}));
}

TEST(Server, KeepsTheModelWhenNobodyTakesPart) {
  Server server(state_of_values({1, 2}), make_strategy(FedAvgSpec{}));
  EXPECT_EQ(server.aggregate({}).used, 0);
  EXPECT_EQ(weights_of(server), (std::vector<float>{1, 2}));
}

TEST(Server, RefusesAnInitialModelThatIsNotFinite) {
  EXPECT_THROW(Server(state_of_values({std::numeric_limits<float>::infinity(), 0}),
                      make_strategy(FedAvgSpec{})),
               Error);
}

}  // namespace
}  // namespace starling
