#include "starling/federated/simulation.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>

#include "starling/core/error.h"
#include "starling/train/dp_optimizer.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr int64_t kClients = 6;

std::shared_ptr<Model> make_model() {
  torch::manual_seed(3);
  return as_model(nn::Sequential(nn::Linear(5, 8), nn::ReLU(), nn::Linear(8, 2)));
}

std::vector<Client> make_clients() {
  torch::manual_seed(9);
  std::vector<Client> clients;
  for (int64_t id = 0; id < kClients; ++id) {
    const auto features = torch::randn({10 + 7 * id, 5});
    clients.emplace_back(id, Examples{features, features.select(1, 0).gt(0).to(torch::kLong)});
  }
  return clients;
}

Server make_server(ServerOptions options = {}) {
  options.population = kClients;
  options.total_weight = 1000;
  return {state_of(*make_model()), make_strategy(FedAvgSpec{}), options};
}

ClientTask plain_task(int64_t round) {
  ClientTask task;
  task.round = round;
  task.key = RandomKey::from_seed(1);
  task.local.steps = 4;
  task.local.batch_size = 8;
  return task;
}

ClientTask private_task(const Client& client, int64_t round) {
  ClientTask task = plain_task(round);
  const auto privacy =
      plan({.batch_size = 8, .clip_norm = 1.0, .noise_multiplier = 1.0}, client.size());
  task.privacy = ExampleLevel{privacy, ledger_entry(privacy, task.local.steps, client.id(), round)};
  return task;
}

StateDict after_two_rounds(int64_t workers, std::vector<int64_t> order, bool is_private) {
  Simulation simulation(make_model, make_clients(), workers, 1);
  Server server = make_server();
  for (int64_t round = 0; round < 2; ++round)
    simulation.round(
        server, round, order,
        [&](int64_t client) {
          return is_private ? private_task(simulation.clients()[client], round) : plain_task(round);
        },
        RandomKey::from_seed(2));
  return server.global();
}

bool same_bytes(const StateDict& a, const StateDict& b) {
  for (size_t i = 0; i < a.tensors.size(); ++i)
    if (!torch::equal(a.tensors[i].value, b.tensors[i].value)) return false;
  return a.tensors.size() == b.tensors.size();
}

TEST(Simulation, determinism_matrix_AnyNumberOfWorkersAndAnyOrderGiveTheSameBytes) {
  for (const bool is_private : {false, true}) {
    std::vector<int64_t> order{0, 1, 2, 3, 4, 5};
    const auto reference = after_two_rounds(1, order, is_private);
    EXPECT_TRUE(same_bytes(reference, after_two_rounds(2, order, is_private)));
    EXPECT_TRUE(same_bytes(reference, after_two_rounds(8, order, is_private)));
    std::reverse(order.begin(), order.end());
    EXPECT_TRUE(same_bytes(reference, after_two_rounds(2, order, is_private)));
  }
}

// What a round leaves when client 1 fails, or never was there.
StateDict without_client_1(bool fails) {
  Simulation simulation(make_model, make_clients(), 2, 1);
  Server server = make_server();
  const auto outcome = simulation.round(
      server, 0, fails ? std::vector<int64_t>{0, 1, 2} : std::vector<int64_t>{0, 2},
      [](int64_t client) -> ClientTask {
        if (client == 1) throw std::bad_alloc();
        return plain_task(0);
      },
      RandomKey::from_seed(2));
  EXPECT_EQ(outcome.used, 2);
  EXPECT_EQ(outcome.failed, fails ? 1 : 0);
  return server.global();
}

TEST(Simulation, oom_client_FailsAlone) {
  EXPECT_TRUE(same_bytes(without_client_1(true), without_client_1(false)));
}

TEST(Simulation, ARoundInWhichEveryClientFailsIsAnError) {
  Simulation simulation(make_model, make_clients(), 2, 1);
  Server server = make_server();
  const auto before = server.global();
  try {
    simulation.round(
        server, 0, {2, 1},
        [](int64_t client) -> ClientTask { throw Error("number " + std::to_string(client)); },
        RandomKey::from_seed(2));
    FAIL() << "no error";
  } catch (const Error& problem) {
    EXPECT_STREQ(problem.what(), "every client of the round failed; client 1: number 1");
  }
  EXPECT_TRUE(same_bytes(before, server.global()));
}

TEST(Simulation, EvaluatesAllExamplesOnAnyNumberOfWorkers) {
  const auto clients = make_clients();
  const Examples& data = clients.back().data();
  const auto state = state_of(*make_model());
  Simulation one(make_model, make_clients(), 1, 1), three(make_model, make_clients(), 3, 1);
  const auto whole = one.evaluate(state, data, 1000);
  const auto sliced = three.evaluate(state, data, 4);
  EXPECT_EQ(sliced.examples, data.size());
  EXPECT_EQ(whole.correct, sliced.correct);
  EXPECT_NEAR(whole.loss(), sliced.loss(), 1e-6);
}

TEST(Client, RefusesToExistWithoutExamples) {
  EXPECT_THROW(Client(0, Examples{}), Error);
  EXPECT_THROW(Client(0, Examples{torch::zeros({3, 2}), torch::zeros({2}, torch::kLong)}), Error);
}

}  // namespace
}  // namespace starling
