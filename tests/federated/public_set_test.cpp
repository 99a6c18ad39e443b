// Strategies that distil, on a simulation of their own.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <numeric>

#include "federated/public_set.h"
#include "starling/core/error.h"
#include "starling/federated/simulation.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr int64_t kClients = 4, kPublic = 30, kClasses = 3;
constexpr int64_t kAnswers = kPublic * kClasses;

std::shared_ptr<Model> make_model() {
  torch::manual_seed(3);
  return as_model(nn::Sequential(nn::Linear(5, 8), nn::ReLU(), nn::Linear(8, kClasses)));
}

// The class is the largest of the first three features.
std::vector<Client> make_clients() {
  torch::manual_seed(9);
  std::vector<Client> clients;
  for (int64_t id = 0; id < kClients; ++id) {
    const auto features = torch::randn({40, 5});
    clients.emplace_back(id, Examples{features, features.slice(1, 0, kClasses).argmax(1)});
  }
  return clients;
}

torch::Tensor public_features() {
  torch::manual_seed(10);
  return torch::randn({kPublic, 5});
}

ClientTask task_of(int64_t round) {
  ClientTask task;
  task.round = round;
  task.key = RandomKey::from_seed(1);
  task.local.steps = 20;
  task.local.batch_size = 8;
  return task;
}

struct World {
  explicit World(const StrategySpec& spec, std::optional<RoundPlan> privacy = std::nullopt)
      : simulation(make_model, make_clients(), 2, 1),
        server(state_of(*make_model()), make_strategy(spec, kAnswers), options_of(privacy)) {
    simulation.set_public(public_features());
  }
  static ServerOptions options_of(const std::optional<RoundPlan>& privacy) {
    ServerOptions options;
    options.population = kClients;
    options.total_weight = 1000;
    options.privacy = privacy;
    return options;
  }
  RoundOutcome round(int64_t number, std::vector<int64_t> participants = {0, 1, 2, 3}) {
    return simulation.round(
        server, number, participants, [&](int64_t) { return task_of(number); },
        RandomKey::from_seed(2));
  }
  std::vector<double> consensus() const {
    const auto values = server.strategy().consensus();
    return {values.begin(), values.end()};
  }

  Simulation simulation;
  Server server;
};

double norm_of(const std::vector<double>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

// The server's model is the student of the mean answers: nothing else moves it.
TEST(PublicSet, DsFlsServerLearnsTheMeanAnswersAlone) {
  World world(DsFlSpec{.distillation = {.epochs = 50, .learning_rate = 0.01}});
  const auto before = state_of(*make_model());
  const auto outcome = world.round(0);
  EXPECT_EQ(outcome.used, kClients);
  EXPECT_EQ(outcome.bytes_up, kClients * 4 * kAnswers);
  const auto mean = torch::tensor(world.consensus(), torch::kDouble).view({kPublic, kClasses});
  EXPECT_LT((mean.sum(1) - 1).abs().max().item<double>(), 1e-4) << "probabilities";

  EXPECT_GT(l2_norm(subtract(world.server.global(), before)), 0.1);
  const auto model = make_model();
  load_state(*model, world.server.global());
  model->eval();
  const auto learnt = model->forward(public_features()).argmax(1);
  EXPECT_GT(learnt.eq(mean.argmax(1)).to(torch::kDouble).mean().item<double>(), 0.9);
}

TEST(PublicSet, ClientsOfFedMdKeepTheirModelsAndDigestTheConsensus) {
  World world(FedMdSpec{.distillation = {.epochs = 3}});
  world.round(0, {0, 1});
  const auto kept = world.simulation.states()[0].personal;
  EXPECT_EQ(std::ssize(kept), world.server.layout().size());
  EXPECT_NE(kept, world.simulation.states()[1].personal);
  EXPECT_TRUE(world.simulation.states()[2].personal.empty());
  const auto outcome = world.round(1, {0, 2});
  EXPECT_NE(kept, world.simulation.states()[0].personal);
  // Both are sent the consensus, and client 2 its first model.
  EXPECT_EQ(outcome.bytes_down, 4 * (2 * kAnswers + world.server.layout().size()));

  // Another consensus, other models.
  World other(FedMdSpec{.distillation = {.epochs = 3}});
  other.round(0, {0, 3});
  EXPECT_EQ(other.simulation.states()[0].personal, kept);
  other.round(1, {0, 2});
  EXPECT_NE(other.simulation.states()[0].personal, world.simulation.states()[0].personal);
}

TEST(PublicSet, FedDfStartsFromTheMeanAndMovesTowardTheEnsemble) {
  World distilled(FedDfSpec{.distillation = {.epochs = 10}}), averaged(FedAvgSpec{});
  const auto outcome = distilled.round(0);
  EXPECT_EQ(outcome.bytes_up, kClients * 4 * distilled.server.layout().size());
  averaged.round(0);
  const auto gap = [&](const StateDict& state) {
    const auto model = make_model();
    load_state(*model, state);
    model->eval();
    const auto mean =
        torch::tensor(distilled.consensus(), torch::kDouble).view({kPublic, kClasses});
    return (torch::softmax(model->forward(public_features()), 1) - torch::softmax(mean, 1))
        .abs()
        .mean()
        .item<double>();
  };
  EXPECT_LT(gap(distilled.server.global()), 0.8 * gap(averaged.server.global()));
}

std::shared_ptr<Model> make_linear() {
  torch::manual_seed(4);
  return as_model(nn::Sequential(nn::Linear(5, kClasses)));
}

std::vector<double> values_of(const StateDict& state) {
  const FlatLayout layout(state);
  std::vector<double> values(static_cast<size_t>(layout.size()));
  layout.read(state, values);
  return values;
}

// Lin et al. 2020, algorithm 3, with clients of unlike weight: a global model is the mean of the
// clients of its architecture alone, here before distillation moves it by more than a grain.
TEST(PublicSet, FedDfAveragesEachArchitectureByItself) {
  constexpr double kGrain = 1e-5;
  const FedDfSpec spec{.distillation = {.epochs = 1, .learning_rate = 1e-9}};
  auto clients = make_clients();
  const auto shorter = [&](int64_t id, int64_t size) {
    const auto& data = clients[static_cast<size_t>(id)].data();
    return Client(id, {data.features.slice(0, 0, size), data.labels.slice(0, 0, size)});
  };
  clients[0] = shorter(0, 10);
  clients[2] = shorter(2, 25);
  const auto initial = state_of(*make_linear());
  Simulation mixed(make_model, clients, 2, 1);
  mixed.add_devices(make_linear, initial, 2);
  mixed.set_public(public_features());
  Server server(state_of(*make_model()), make_strategy(spec, kAnswers, {values_of(initial)}),
                World::options_of({}));
  const auto task = [](int64_t) { return task_of(0); };
  mixed.round(server, 0, {0, 1, 2, 3}, task, RandomKey::from_seed(2));

  const auto averaged = [&](auto make, std::vector<int64_t> participants) {
    Simulation alone(make, clients, 1, 1);
    Server its(state_of(*make()), make_strategy(FedAvgSpec{}), World::options_of({}));
    alone.round(its, 0, participants, task, RandomKey::from_seed(2));
    return values_of(its.global());
  };
  const auto distance = [](const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0.0;
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
    return largest;
  };
  const auto& own = server.strategy().device_models()[0];
  EXPECT_LT(distance(own, averaged(make_linear, {0, 1})), kGrain);
  EXPECT_LT(distance(values_of(server.global()), averaged(make_model, {2, 3})), kGrain);
  EXPECT_GT(distance(own, values_of(initial)), 100 * kGrain);

  // Nobody of the class took part: its model waits.
  const std::vector<double> before = own;
  mixed.round(
      server, 1, {2}, [](int64_t) { return task_of(1); }, RandomKey::from_seed(2));
  EXPECT_LT(distance(server.strategy().device_models()[0], before), kGrain);
}

TEST(PublicSet, ADevicesModelLearnsTheAnswersOfAllClients) {
  const FedDfSpec spec{.distillation = {.epochs = 60, .learning_rate = 0.01}};
  const auto initial = state_of(*make_linear());
  Simulation simulation(make_model, make_clients(), 1, 1);
  simulation.add_devices(make_linear, initial, 1);
  simulation.set_public(public_features());
  Server server(state_of(*make_model()), make_strategy(spec, kAnswers, {values_of(initial)}),
                World::options_of({}));
  // None of its own takes part.
  simulation.round(
      server, 0, {1, 2, 3}, [](int64_t) { return task_of(0); }, RandomKey::from_seed(2));
  const auto answers = server.strategy().consensus();
  const auto mean =
      torch::tensor(std::vector<double>(answers.begin(), answers.end()), torch::kDouble)
          .view({kPublic, kClasses});
  const auto agreement = [&](const std::vector<double>& values) {
    auto state = clone(initial);
    FlatLayout(initial).write(values, state);
    const auto model = make_linear();
    load_state(*model, state);
    const auto classes = model->forward(public_features()).argmax(1);
    return classes.eq(mean.argmax(1)).to(torch::kDouble).mean().item<double>();
  };
  EXPECT_GT(agreement(server.strategy().device_models()[0]), agreement(values_of(initial)) + 0.2);
}

TEST(PublicSet, ExamplesComeInTurnAndBeginAgain) {
  const auto features = torch::arange(5).view({5, 1});
  Distilling distilling;
  const auto part = [&](int64_t consensus) {
    const auto chosen = public_in_turn(features, distilling, consensus).flatten();
    return std::vector<int64_t>(chosen.const_data_ptr<int64_t>(),
                                chosen.const_data_ptr<int64_t>() + chosen.numel());
  };
  EXPECT_EQ(part(3), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  distilling.settings.examples_per_round = 2;
  EXPECT_EQ(part(0), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(part(2), (std::vector<int64_t>{4, 0}));
  EXPECT_EQ(part(3), (std::vector<int64_t>{1, 2}));
}

// A consensus is learnt on the examples that it was asked on, not on those that are next.
TEST(PublicSet, AConsensusIsLearntOnItsOwnExamples) {
  DsFlSpec spec{.distillation = {.epochs = 60, .learning_rate = 0.01}};
  spec.distillation.examples_per_round = kPublic / 2;
  Simulation simulation(make_model, make_clients(), 1, 1);
  simulation.set_public(public_features());
  Server server(state_of(*make_model()), make_strategy(spec, kAnswers / 2), World::options_of({}));
  for (int64_t round = 0; round < 2; ++round) {
    simulation.round(
        server, round, {0, 1, 2, 3}, [&](int64_t) { return task_of(round); },
        RandomKey::from_seed(2));
    const auto answers = server.strategy().consensus();
    const auto mean =
        torch::tensor(std::vector<double>(answers.begin(), answers.end()), torch::kDouble)
            .view({kPublic / 2, kClasses});
    const auto model = make_model();
    load_state(*model, server.global());
    const auto part = public_features().slice(0, round * kPublic / 2, (round + 1) * kPublic / 2);
    const auto learnt = model->forward(part).argmax(1);
    EXPECT_GT(learnt.eq(mean.argmax(1)).to(torch::kDouble).mean().item<double>(), 0.9) << round;
  }
}

RoundPlan plan_of(double clip_norm) {
  RoundPlan plan;
  plan.clients = kClients;
  plan.clip_norm = clip_norm;
  plan.noise_multiplier = 1e-3;
  return plan;
}

// privacy_rules.md, Distillation: the whole matrix is one vector, clipped to C, summed, noised
// once, divided by a constant.
TEST(PublicSet, AnswersOfAClientAreOneClippedVector) {
  constexpr double kClip = 0.25;
  World world(FedMdSpec{.distillation = {.epochs = 1}}, plan_of(kClip));
  world.round(0);
  const auto consensus = world.consensus();
  ASSERT_EQ(std::ssize(consensus), kAnswers);
  const double noise = 1e-3 * kClip * std::sqrt(static_cast<double>(kAnswers));
  EXPECT_LE(norm_of(consensus), kClip + 2 * noise);
  EXPECT_GT(norm_of(consensus), 0.1 * kClip);

  World free(FedMdSpec{.distillation = {.epochs = 1}});
  free.round(0);
  EXPECT_GT(norm_of(free.consensus()), 10 * kClip);
}

// One client more moves the sum by at most C, whatever its model answers.
TEST(PublicSet, OneClientMovesTheSumByTheClipNorm) {
  constexpr double kClip = 0.25;
  World with(DsFlSpec{.distillation = {.epochs = 1}}, plan_of(kClip));
  World without(DsFlSpec{.distillation = {.epochs = 1}}, plan_of(kClip));
  with.round(0, {0, 1, 2, 3});
  without.round(0, {0, 1, 2});
  auto difference = with.consensus();
  const auto other = without.consensus();
  for (size_t i = 0; i < difference.size(); ++i) difference[i] -= other[i];
  const double divisor = plan_of(kClip).divisor();  // the noise is the same in both
  EXPECT_LE(norm_of(difference) * divisor, kClip * (1 + 1e-6));
  EXPECT_GT(norm_of(difference) * divisor, 0.9 * kClip);
}

TEST(PublicSet, AnUploadWithOtherAnswersIsLeftOut) {
  World world(DsFlSpec{});
  Collector collector(world.server, 0);
  ClientState state;
  ClientUpdate update;
  update.client = update.round = 0;
  update.examples = 1;
  update.state = world.server.global();
  EXPECT_FALSE(collector.add(update, state));
  update.answers.assign(kAnswers, 0.5);
  update.answers[3] = std::nan("");
  EXPECT_FALSE(collector.add(update, state));
  update.answers[3] = 0.25;
  EXPECT_TRUE(collector.add(update, state));
}

}  // namespace
}  // namespace starling
