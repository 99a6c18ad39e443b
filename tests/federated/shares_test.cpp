// What ranks tell each other, with threads for ranks: every rank ends with the bytes of one.

#include "federated/shares.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "federated/thread_ranks.h"
#include "starling/core/error.h"
#include "starling/federated/simulation.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr int64_t kClients = 6;

// Without LibTorch's generator, which all threads share.
std::shared_ptr<Model> make_model() {
  auto model = as_model(nn::Sequential(nn::Linear(5, 8), nn::ReLU(), nn::Linear(8, 2)));
  torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters())
    parameter.copy_(torch::arange(parameter.numel()).add(1).sin().view_as(parameter) * 0.5);
  return model;
}

Examples examples(int64_t id) {
  const auto features = torch::arange(5 * (10 + 7 * id)).remainder(7).sub(3.0).reshape({-1, 5});
  return {features, features.select(1, id % 5).gt(0).to(torch::kLong)};
}

std::vector<Client> make_clients() {
  std::vector<Client> clients;
  for (int64_t id = 0; id < kClients; ++id) clients.emplace_back(id, examples(id));
  return clients;
}

ClientTask task(int64_t client, int64_t round) {
  if (client == 4) throw Error("client 4 always fails");
  ClientTask task;
  task.round = round;
  task.key = RandomKey::from_seed(1);
  task.local.steps = 4;
  task.local.batch_size = 8;
  return task;
}

struct Result {
  StateDict global;
  std::vector<ClientState> states;
  RoundOutcome outcome;
  Evaluation test;
  std::vector<Evaluation> clients;
};

Result three_rounds(const StrategySpec& strategy, const RobustSpec& aggregation, Ranks& ranks) {
  Simulation simulation(make_model, make_clients(), 1, 1);
  simulation.set_ranks(ranks);
  ServerOptions options;
  options.population = kClients;
  options.total_weight = 1000;
  options.aggregation = aggregation;
  Server server(state_of(*make_model()), make_strategy(strategy), options);
  Result result;
  for (int64_t round = 0; round < 3; ++round)
    result.outcome = simulation.round(
        server, round, {0, 1, 2, 3, 4, 5}, [&](int64_t client) { return task(client, round); },
        RandomKey::from_seed(2));
  result.global = server.global();
  result.states = simulation.states();
  result.test = simulation.evaluate(server.global(), examples(9), 10);
  result.clients = simulation.evaluate_clients(server, 10);
  return result;
}

void expect_same(const Evaluation& a, const Evaluation& b) {
  EXPECT_EQ(a.correct, b.correct);
  EXPECT_EQ(a.examples, b.examples);
  EXPECT_EQ(a.loss_sum, b.loss_sum);
  EXPECT_EQ(a.predicted_positives, b.predicted_positives);
  EXPECT_EQ(a.positive_scores, b.positive_scores);
  EXPECT_EQ(a.auc(), b.auc());
}

void expect_same(const Result& a, const Result& b) {
  for (size_t i = 0; i < a.global.tensors.size(); ++i)
    EXPECT_TRUE(torch::equal(a.global.tensors[i].value, b.global.tensors[i].value));
  for (size_t i = 0; i < a.states.size(); ++i) {
    EXPECT_EQ(a.states[i].memory, b.states[i].memory) << i;
    EXPECT_EQ(a.states[i].personal, b.states[i].personal) << i;
  }
  EXPECT_EQ(a.outcome.used, b.outcome.used);
  EXPECT_EQ(a.outcome.failed, b.outcome.failed);
  EXPECT_EQ(a.outcome.bytes_up, b.outcome.bytes_up);
  EXPECT_EQ(a.outcome.metrics.loss_sum, b.outcome.metrics.loss_sum);
  expect_same(a.test, b.test);
  for (size_t i = 0; i < a.clients.size(); ++i) expect_same(a.clients[i], b.clients[i]);
}

// Reliability case 62, for ranks.
TEST(Shares, EveryRankEndsWithTheBytesOfOneProcess) {
  const std::vector<std::pair<StrategySpec, RobustSpec>> cases = {
      {FedAvgSpec{}, MeanAggregation{}},
      {ScaffoldSpec{}, MeanAggregation{}},
      {DittoSpec{}, MeanAggregation{}},
      {FedAvgSpec{}, MedianAggregation{}}};
  for (const auto& [strategy, aggregation] : cases) {
    const auto alone = three_rounds(strategy, aggregation, one_rank());
    ASSERT_EQ(alone.outcome.used, kClients - 1);
    for (const int64_t size : {2, 3, 8}) {
      std::vector<Result> results(static_cast<size_t>(size));
      test::on_thread_ranks(size, [&](Ranks& ranks) {
        results[static_cast<size_t>(ranks.rank())] = three_rounds(strategy, aggregation, ranks);
      });
      for (const auto& result : results) expect_same(alone, result);
    }
  }
}

TEST(Shares, ARoundInWhichEveryClientFailsIsAnErrorOnEveryRank) {
  std::vector<std::string> texts(3);
  test::on_thread_ranks(3, [&](Ranks& ranks) {
    Simulation simulation(make_model, make_clients(), 1, 1);
    simulation.set_ranks(ranks);
    ServerOptions options;
    options.population = kClients;
    Server server(state_of(*make_model()), make_strategy(FedAvgSpec{}), options);
    try {
      simulation.round(
          server, 0, {5, 1, 3},
          [](int64_t client) -> ClientTask { throw Error("number " + std::to_string(client)); },
          RandomKey::from_seed(2));
    } catch (const AgreedError& problem) {
      texts[static_cast<size_t>(ranks.rank())] = problem.what();
    }
  });
  for (const auto& text : texts)
    EXPECT_EQ(text, "every client of the round failed; client 1: number 1");
}

TEST(Shares, EachRankGetsWhatIsLongestFirst) {
  const auto clients = make_clients();  // 10, 17, 24, 31, 38 and 45 examples
  const std::vector<int64_t> ids = longest_first({0, 1, 2, 3, 4, 5}, clients);
  EXPECT_EQ(ids, (std::vector<int64_t>{5, 4, 3, 2, 1, 0}));
  std::vector<std::vector<size_t>> places(2);
  test::on_thread_ranks(2, [&](Ranks& ranks) {
    places[static_cast<size_t>(ranks.rank())] = places_of_rank(ranks, ids, clients);
  });
  EXPECT_EQ(places[0], (std::vector<size_t>{0, 3, 4}));  // 45, then 45 + 24, then 69 + 17
  EXPECT_EQ(places[1], (std::vector<size_t>{1, 2, 5}));  // 38, then 38 + 31, then 69 + 10
}

}  // namespace
}  // namespace starling
