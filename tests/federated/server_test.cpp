#include "starling/federated/server.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "starling/core/error.h"
#include "starling/federated/collector.h"

namespace starling {
namespace {

StateDict state_of_values(std::vector<float> values, int64_t counter = 0) {
  StateDict state;
  state.tensors.push_back({"w", torch::tensor(values), false});
  state.tensors.push_back({"batches", torch::tensor({counter}, torch::kLong), true});
  return state;
}

ClientUpdate update_of(int64_t client, int64_t examples, std::vector<float> values) {
  ClientUpdate update;
  update.client = client;
  update.round = 0;
  update.examples = examples;
  update.state = state_of_values(std::move(values), 7);
  return update;
}

Server make_server(std::vector<float> initial, Weighting weights, ServerOptions options = {}) {
  options.population = 10;
  options.total_weight = 1000;
  return {state_of_values(std::move(initial)), make_strategy(FedAvgSpec{weights}), options};
}

// One round; returns how many updates were left out.
int64_t aggregate(Server& server, const std::vector<ClientUpdate>& updates) {
  Collector collector(server, 0);
  ClientState state;
  for (const auto& update : updates) collector.add(update, state);
  server.finish(collector, RandomKey::from_seed(3));
  return collector.rejected();
}

std::vector<float> weights_of(const Server& server) {
  const auto w = server.global().at("w").contiguous();
  return {w.data_ptr<float>(), w.data_ptr<float>() + w.numel()};
}

TEST(Server, AveragesByExamples) {
  Server server = make_server({0, 0}, Weighting::examples);
  EXPECT_EQ(aggregate(server, {update_of(0, 30, {2, 4}), update_of(1, 10, {6, 0})}), 0);
  EXPECT_EQ(weights_of(server), (std::vector<float>{3, 3}));
}

TEST(Server, AveragesUniformly) {
  Server server = make_server({1, 0}, Weighting::uniform);
  aggregate(server, {update_of(0, 30, {2, 4}), update_of(1, 10, {6, 0})});
  EXPECT_EQ(weights_of(server), (std::vector<float>{4, 2}));
}

TEST(Server, min_clients_KeepsTheModelWhenNobodyTakesPart) {
  Server server = make_server({1, 2}, Weighting::examples);
  EXPECT_EQ(aggregate(server, {}), 0);
  EXPECT_EQ(weights_of(server), (std::vector<float>{1, 2}));
}

TEST(Server, RefusesAnInitialModelThatIsNotFinite) {
  EXPECT_THROW(make_server({std::numeric_limits<float>::infinity(), 0}, Weighting::examples),
               Error);
}

}  // namespace
}  // namespace starling
