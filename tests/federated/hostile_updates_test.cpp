// What clients may send to a server: nothing of a bad update enters the sum, it is counted, and the
// rest of the round goes on.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "starling/core/error.h"
#include "starling/federated/collector.h"
#include "starling/federated/server.h"

namespace starling {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kRound = 4;

// Two matrices that cannot be told apart by size, and a counter.
StateDict state_of_values(double first, double second) {
  StateDict state;
  state.tensors.push_back({"a", torch::full({2, 3}, first), false});
  state.tensors.push_back({"b", torch::full({3}, second), false});
  state.tensors.push_back({"batches", torch::tensor({int64_t{0}}), true});
  return state;
}

ClientUpdate update_of(int64_t client, int64_t examples, StateDict state) {
  ClientUpdate update;
  update.client = client;
  update.round = kRound;
  update.examples = examples;
  update.state = std::move(state);
  return update;
}

// Ten clients, registered with 10 examples each.
Server make_server(const StrategySpec& spec = FedAvgSpec{Weighting::examples},
                   StateDict initial = state_of_values(0, 0)) {
  ServerOptions options;
  options.population = 10;
  options.total_weight = 100;
  options.examples.assign(10, 10);
  return {std::move(initial), make_strategy(spec), options};
}

class HostileUpdates : public ::testing::Test {
 protected:
  // Beside a healthy update (2, 4) of client 0, none of `bad` counts.
  void expect_refused(const std::vector<ClientUpdate>& bad) {
    Collector collector(server_, kRound);
    collector.expect(std::vector<int64_t>{0, 1, 2, 3});
    ClientState state;
    EXPECT_TRUE(collector.add(update_of(0, 10, state_of_values(2, 4)), state));
    for (size_t i = 0; i < bad.size(); ++i)
      EXPECT_FALSE(collector.add(bad[i], state)) << "update " << i;
    EXPECT_EQ(collector.rejected(), std::ssize(bad));
    EXPECT_EQ(collector.sum().clients(), 1);
    EXPECT_EQ(collector.sum().weight(), 10);
    server_.finish(collector, RandomKey::from_seed(3));
    EXPECT_TRUE(torch::equal(server_.global().at("a"), torch::full({2, 3}, 2.0)));
    EXPECT_TRUE(torch::equal(server_.global().at("b"), torch::full({3}, 4.0)));
  }
  void expect_refused(int64_t tensor, const std::vector<torch::Tensor>& values) {
    std::vector<ClientUpdate> bad;
    for (const auto& value : values) {
      bad.push_back(update_of(1, 10, state_of_values(100, 100)));
      bad.back().state.tensors[static_cast<size_t>(tensor)].value = value;
    }
    expect_refused(bad);
  }

  Server server_ = make_server();
};

StateDict million() {
  StateDict state;
  state.tensors.push_back({"w", torch::zeros({1'000'000}), false});
  return state;
}

TEST_F(HostileUpdates, upd_nan_inf_OneOfAMillionWeightsLeavesOutItsUpdate) {
  Server server = make_server(FedAvgSpec{Weighting::uniform}, million());
  Collector collector(server, kRound);
  ClientState state;
  int64_t client = 0;
  const auto add = [&](float value) {
    auto update = update_of(client++, 10, million());
    update.state.tensors[0].value.fill_(0.5);
    update.state.tensors[0].value[777'777] = value;
    return collector.add(update, state);
  };
  EXPECT_TRUE(add(0.5));
  for (const float bad : {kNan, kInfinity, -kInfinity, 1e38f}) EXPECT_FALSE(add(bad)) << bad;
  EXPECT_TRUE(add(1e-42f)) << "a subnormal number is a number";
  EXPECT_EQ(collector.rejected(), 4);
  server.finish(collector, RandomKey::from_seed(3));
  const auto global = server.global().at("w");
  EXPECT_TRUE(all_finite(server.global()));
  EXPECT_FLOAT_EQ(global[0].item<float>(), 0.5);
  EXPECT_FLOAT_EQ(global[777'777].item<float>(), 0.25);
}

TEST_F(HostileUpdates, upd_atomic_reject_ABadSecondTensorLeavesNothingOfTheFirst) {
  expect_refused(1, {torch::tensor({1.0f, 1.0f, kNan}), torch::ones({4}), torch::ones({3, 1}),
                     torch::full({3}, 1e30f)});
}

// What strategies keep of a client is from its last good update.
TEST_F(HostileUpdates, upd_atomic_reject_TheClientKeepsTheStateThatItHad) {
  Server server = make_server(ScaffoldSpec{});
  Collector collector(server, kRound);
  ClientState good, bad;
  auto update = update_of(1, 10, state_of_values(1, 1));
  update.learning_rate = 0.1;
  update.metrics.steps = 2;
  EXPECT_TRUE(collector.add(update, good));
  EXPECT_NE(good.memory, bad.memory);
  update.client = 2;
  update.state.tensors[1].value[0] = kNan;
  EXPECT_FALSE(collector.add(update, bad));
  EXPECT_EQ(bad.memory, ClientState{}.memory);
}

TEST_F(HostileUpdates, upd_shape_WhatDiffersFromTheServersTableIsRefused) {
  std::vector<ClientUpdate> bad(5, update_of(1, 10, state_of_values(100, 100)));
  bad[0].state.tensors.pop_back();
  bad[1].state.tensors.push_back(bad[1].state.tensors[0]);
  bad[2].state.tensors[0].name = "c";
  std::swap(bad[3].state.tensors[0], bad[3].state.tensors[1]);
  bad[4].state.tensors.clear();
  expect_refused(bad);
}

TEST_F(HostileUpdates, upd_shape_OtherShapesAndDtypesAreRefused) {
  const auto value = torch::full({2, 3}, 100.0f);
  expect_refused(0, {value.reshape({6}), value.reshape({1, 2, 3}), value.t().contiguous(),
                     value.to(torch::kLong), value.to(torch::kHalf), value.to(torch::kDouble),
                     value.to(torch::kComplexFloat), torch::zeros({0}), torch::zeros({2, 0}),
                     torch::tensor(100.0f)});
}

TEST_F(HostileUpdates, upd_shape_ValuesAreReadWhateverTheStrides) {
  auto update = update_of(1, 10, state_of_values(0, 0));
  const auto values = torch::arange(6, torch::kFloat).reshape({3, 2}).t();
  ASSERT_FALSE(values.is_contiguous());
  update.state.tensors[0].value = values;
  Collector collector(server_, kRound);
  ClientState state;
  EXPECT_TRUE(collector.add(update, state));
  server_.finish(collector, RandomKey::from_seed(3));
  EXPECT_TRUE(torch::equal(server_.global().at("a"), values));
}

TEST_F(HostileUpdates, upd_weight_MoreExamplesThanRegisteredAreRefused) {
  std::vector<ClientUpdate> bad;
  for (const int64_t claimed :
       {int64_t{0}, int64_t{-1}, int64_t{11}, int64_t{90}, int64_t{1'000'000'000'000'000'000},
        std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()})
    bad.push_back(update_of(1, claimed, state_of_values(100, 100)));
  expect_refused(bad);
}

// A claim of 90 examples must not push the others out of the sum.
TEST_F(HostileUpdates, upd_weight_WhoClaimsTooMuchTakesNobodysPlace) {
  Collector collector(server_, kRound);
  ClientState state;
  EXPECT_FALSE(collector.add(update_of(9, 91, state_of_values(100, 100)), state));
  for (int64_t client = 0; client < 10; ++client)
    EXPECT_TRUE(collector.add(update_of(client, 10, state_of_values(1, 1)), state)) << client;
}

TEST_F(HostileUpdates, upd_weight_ARoundOfRefusedUpdatesIsSkipped) {
  Collector collector(server_, kRound);
  ClientState state;
  EXPECT_FALSE(collector.add(update_of(1, 0, state_of_values(1, 1)), state));
  server_.finish(collector, RandomKey::from_seed(3));
  EXPECT_TRUE(torch::equal(server_.global().at("a"), torch::zeros({2, 3})));
}

TEST_F(HostileUpdates, upd_replay_dup_RepeatedStaleAndUninvitedUpdatesAreRefused) {
  auto stale = update_of(1, 10, state_of_values(100, 100));
  stale.round = kRound - 1;
  auto early = stale;
  early.round = kRound + 1;
  expect_refused({update_of(0, 10, state_of_values(2, 4)), stale, early,
                  update_of(7, 10, state_of_values(100, 100)),
                  update_of(10, 10, state_of_values(100, 100)),
                  update_of(-1, 10, state_of_values(100, 100))});
}

TEST_F(HostileUpdates, upd_replay_dup_WorkersThatHoldTheSameClientDoNotMerge) {
  Collector one(server_, kRound), two(server_, kRound), three(server_, kRound);
  ClientState state;
  for (auto* collector : {&one, &two})
    EXPECT_TRUE(collector->add(update_of(1, 10, state_of_values(1, 1)), state));
  EXPECT_TRUE(three.add(update_of(2, 10, state_of_values(1, 1)), state));
  EXPECT_THROW(one.merge(std::move(two)), Error);
  one.merge(std::move(three));
  EXPECT_FALSE(one.add(update_of(2, 10, state_of_values(1, 1)), state)) << "seen by another";
  EXPECT_EQ(one.sum().clients(), 2);
}

}  // namespace
}  // namespace starling
