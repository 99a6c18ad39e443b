// Example-level privacy whose noise the server adds to the sum over clients (fedsgd, noise_by
// server): the sum, its sensitivity, its noise and its divisor.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "starling/core/error.h"
#include "starling/federated/simulation.h"
#include "starling/train/dp_optimizer.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr double kClip = 0.5;
constexpr double kRate = 2.0;  // of the server

SumPlan sum_plan(double noise_multiplier, std::vector<double> divisors = {40.0}) {
  SumPlan plan;
  plan.clip_norm = kClip;
  plan.noise_multiplier = noise_multiplier;
  plan.divisors = std::move(divisors);
  return plan;
}

Server make_server(StateDict initial, const SumPlan& plan, int64_t clients = 3) {
  ServerOptions options;
  options.population = clients;
  options.example_sums = plan;
  return {std::move(initial), make_strategy(FedSgdSpec{Weighting::uniform, kRate, NoiseBy::server}),
          options};
}

StateDict zeros(int64_t size) {
  StateDict state;
  state.tensors.push_back({"w", torch::zeros({size}), false});
  state.tensors.push_back({"statistics", torch::zeros({4}), true});
  return state;
}

ClientUpdate sum_of(const Server& server, int64_t client, double value) {
  ClientUpdate update;
  update.client = client;
  update.round = 0;
  update.examples = 10;
  update.state = clone(server.global());
  update.state.tensors[0].value.fill_(value);
  return update;
}

void one_round(Server& server, const std::vector<ClientUpdate>& updates, int64_t round = 0) {
  Collector collector(server, round);
  ClientState state;
  for (const auto& update : updates) collector.add(update, state);
  server.finish(collector, RandomKey::from_seed(1));
}

// Whoever reports.
TEST(ExampleSums, NoiseOfARoundIsThePlans) {
  constexpr int64_t kSize = 20000;
  Server server = make_server(zeros(kSize), sum_plan(3.0));
  one_round(server, {});
  const auto weights = server.global().at("w").to(torch::kDouble);
  const double deviation = kRate * 3.0 * kClip / 40.0;
  EXPECT_NEAR(weights.pow(2).mean().sqrt().item<double>(), deviation,
              5 * deviation / std::sqrt(2.0 * kSize));
  EXPECT_EQ(server.global().at("statistics").abs().sum().item<double>(), 0.0);
}

TEST(ExampleSums, SensitivityCoversTheRoundingOfEveryCoordinate) {
  const SumPlan plan = sum_plan(1.0);
  EXPECT_DOUBLE_EQ(plan.sensitivity(10000, 0.001), kClip + 0.1);
}

TEST(ExampleSums, TheModelMovesByTheSumOverAPublicDivisor) {
  Server server = make_server(zeros(3), sum_plan(1e-9));
  one_round(server, {sum_of(server, 0, 3.0), sum_of(server, 2, -1.0)});
  EXPECT_NEAR(server.global().at("w")[1].item<double>(), -kRate * 2.0 / 40.0, 1e-5);
}

TEST(ExampleSums, ARoundThatNobodyIsScheduledInReleasesNothing) {
  Server server = make_server(zeros(3), sum_plan(1.0, {40.0, 0.0}));
  one_round(server, {}, 1);
  EXPECT_EQ(server.global().at("w").abs().sum().item<double>(), 0.0);
}

TEST(ExampleSums, RoundsDrawNoiseOfTheirOwn) {
  constexpr int64_t kSize = 20000;
  Server server = make_server(zeros(kSize), sum_plan(1.0, {40.0, 40.0}));
  one_round(server, {}, 0);
  const auto first = server.global().at("w").to(torch::kDouble).clone();
  one_round(server, {}, 1);
  const auto second = server.global().at("w").to(torch::kDouble) - first;
  EXPECT_LT(torch::cosine_similarity(first, second, 0).abs().item<double>(),
            5.0 / std::sqrt(1.0 * kSize));
}

// One example may be why a sum is left out, and all the client's others would go with it.
TEST(ExampleSums, ARoundWithASumLeftOutIsNotReleased) {
  Server server = make_server(zeros(3), sum_plan(1.0));
  EXPECT_THROW(one_round(server, {sum_of(server, 0, 1.0),
                                  sum_of(server, 1, std::numeric_limits<double>::quiet_NaN())}),
               Error);
  EXPECT_EQ(server.global().at("w").abs().sum().item<double>(), 0.0);
}

TEST(ExampleSums, RefusesWhatItsNoiseIsNotMadeFor) {
  ServerOptions options;
  options.example_sums = sum_plan(1.0);
  const auto make = [&] { return Server(zeros(3), make_strategy(FedSgdSpec{}), options); };
  EXPECT_NO_THROW(make());
  options.aggregation = MedianAggregation{};
  EXPECT_THROW(make(), Error);
  options.aggregation = MeanAggregation{};
  options.noise = NoiseKind::secure;
  EXPECT_THROW(make(), Error);
  options.noise = NoiseKind::fast;
  options.privacy = RoundPlan{};
  EXPECT_THROW(make(), Error);
}

std::shared_ptr<Model> make_model() {
  torch::manual_seed(3);
  return as_model(nn::Sequential(nn::Linear(4, 6), nn::Tanh(), nn::Linear(6, 2)));
}

Examples examples(int64_t seed, int64_t count) {
  torch::manual_seed(static_cast<uint64_t>(seed));
  const auto features = torch::randn({count, 4}) * 3;
  return {features, features.select(1, 0).gt(0).to(torch::kLong)};
}

// Every example of every client, the coin being 1.
ClientTask task_of(const Client& client) {
  ClientTask task;
  task.round = 0;
  task.key = RandomKey::from_seed(1);
  task.sum_only = true;
  task.local.steps = 1;
  const auto privacy = plan(
      {.batch_size = client.size(), .clip_norm = kClip, .noise_multiplier = 1.0}, client.size());
  task.privacy = ExampleLevel{privacy, ledger_entry(privacy, 1, client.id(), 0)};
  return task;
}

torch::Tensor flat(const StateDict& state) {
  std::vector<torch::Tensor> parts;
  for (const auto& tensor : state.tensors)
    parts.push_back(tensor.value.flatten().to(torch::kDouble));
  return torch::cat(parts);
}

torch::Tensor after_a_round(const std::vector<Examples>& data, double noise_multiplier) {
  std::vector<Client> clients;
  for (const auto& own : data) clients.emplace_back(std::ssize(clients), own);
  Simulation simulation(make_model, std::move(clients), 2, 1);
  Server server =
      make_server(state_of(*make_model()), sum_plan(noise_multiplier), std::ssize(data));
  simulation.round(
      server, 0, {0, 1},
      [&](int64_t client) { return task_of(simulation.clients()[static_cast<size_t>(client)]); },
      RandomKey::from_seed(2));
  return flat(server.global());
}

// One example at a time, by autograd.
torch::Tensor clipped_gradients(const std::vector<Examples>& data) {
  const auto model = make_model();
  torch::Tensor sum = torch::zeros_like(flat(state_of(*model)));
  for (const auto& own : data) {
    for (int64_t i = 0; i < own.size(); ++i) {
      model->zero_grad();
      example_losses(*model, own.at({i})).sum().backward();
      std::vector<torch::Tensor> parts;
      for (const auto& parameter : model->parameters())
        parts.push_back(parameter.grad().flatten().to(torch::kDouble));
      const auto gradient = torch::cat(parts);
      sum += gradient * std::min(1.0, kClip / gradient.norm().item<double>());
    }
  }
  return sum;
}

TEST(ExampleSums, ARoundIsDpSgdOnTheExamplesOfAllClients) {
  const std::vector<Examples> data = {examples(5, 11), examples(6, 29)};
  const auto moved = after_a_round(data, 1e-9) - flat(state_of(*make_model()));
  EXPECT_TRUE(torch::allclose(moved, -kRate / 40.0 * clipped_gradients(data), 1e-4, 1e-6));
}

TEST(ExampleSums, OneExampleMovesTheModelByAtMostItsClip) {
  std::vector<Examples> data = {examples(5, 11), examples(6, 29)};
  const auto before = after_a_round(data, 1.0);
  data[1].features[7] *= -50.0;  // the noise is the same: replaced, so twice the clip at most
  const double moved = (after_a_round(data, 1.0) - before).norm().item<double>();
  EXPECT_LE(moved, 2.0 * kClip * kRate / 40.0 * (1 + 1e-4));
  EXPECT_GT(moved, 0.1 * kClip * kRate / 40.0);
}

TEST(ExampleSums, AClientThatFailsStopsTheRound) {
  std::vector<Client> clients;
  clients.emplace_back(0, examples(5, 11));
  clients.emplace_back(1, examples(6, 29));
  Simulation simulation(make_model, std::move(clients), 1, 1);
  Server server = make_server(state_of(*make_model()), sum_plan(1.0), 2);
  const auto before = flat(server.global());
  EXPECT_THROW(simulation.round(
                   server, 0, {0, 1},
                   [&](int64_t client) {
                     if (client == 0) throw Error("out of memory");
                     return task_of(simulation.clients()[1]);
                   },
                   RandomKey::from_seed(2)),
               Error);
  EXPECT_TRUE(torch::equal(flat(server.global()), before));
}

LocalMetrics sum_with(Model& model, const ClientTask& task) {
  return sum_clipped(model, examples(5, 11), task.local, *task.privacy, {task.key, 0, 0});
}

TEST(ExampleSums, TakesOneStepThatTheLedgerCounts) {
  const auto model = make_model();
  const ClientTask task = task_of(Client(0, examples(5, 11)));
  EXPECT_EQ(sum_with(*model, task).examples, 11);
  ClientTask other = task;
  other.local.steps = 2;
  EXPECT_THROW(sum_with(*model, other), Error);
  other = task;
  other.privacy->recorded.count = 0;
  EXPECT_THROW(sum_with(*model, other), Error);
  other = task;
  other.privacy->noise = NoiseKind::secure;
  EXPECT_THROW(sum_with(*model, other), Error);
}

// Uploaded under both names, it would count twice in the norm.
TEST(ExampleSums, RefusesTiedParameters) {
  nn::Linear first(4, 4), second(4, 2);
  second->register_parameter("tied", first->weight);
  const auto model = as_model(nn::Sequential(first, nn::Tanh(), second));
  EXPECT_THROW(sum_with(*model, task_of(Client(0, examples(5, 11)))), Error);
}

}  // namespace
}  // namespace starling
