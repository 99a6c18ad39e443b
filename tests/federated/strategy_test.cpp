// Each strategy against its paper's algorithm, written out here without the library.

#include "starling/federated/strategy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "federated/small_federation.h"
#include "starling/core/error.h"
#include "starling/core/random.h"

namespace starling {
namespace {

using test::cohorts;
using test::drive;
using test::Driver;
using test::kRate;
using test::kStart;
using test::outcome;
using test::Quadratic;
using test::three_clients;
using test::Vector;

constexpr double kTolerance = 1e-12;

void expect_same(const Vector& got, const Vector& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t j = 0; j < got.size(); ++j)
    EXPECT_LE(std::abs(got[j] - expected[j]), kTolerance) << j << ": " << got[j];
  for (const double value : got) EXPECT_TRUE(std::isfinite(value));
}

Vector operator+(Vector a, const Vector& b) {
  for (size_t j = 0; j < a.size(); ++j) a[j] += b[j];
  return a;
}
Vector operator-(Vector a, const Vector& b) {
  for (size_t j = 0; j < a.size(); ++j) a[j] -= b[j];
  return a;
}
Vector operator*(double factor, Vector a) {
  for (double& value : a) value *= factor;
  return a;
}

// y after K steps of y -= eta direction(y), from x.
Vector descend(const Quadratic& client, const Vector& x,
               const std::function<Vector(const Vector&)>& direction) {
  Vector y = x;
  for (int64_t k = 0; k < client.steps; ++k) y = y - kRate * direction(y);
  return y;
}
Vector plain(const Quadratic& client, const Vector& x) {
  return descend(client, x, [&](const Vector& y) { return client.gradient(y); });
}

// Calls round(x, cohort, clients) for every cohort.
using Round = std::function<void(Vector&, const std::vector<size_t>&)>;
Vector by_hand(const Round& round) {
  Vector x = kStart;
  for (const auto& cohort : cohorts()) round(x, cohort);
  return x;
}

Vector weighted_mean_update(const Vector& x, const std::vector<size_t>& cohort) {
  const auto clients = three_clients();
  Vector sum = {0, 0};
  double total = 0;
  for (const size_t i : cohort) {
    const auto n = static_cast<double>(clients[i].examples);
    sum = sum + n * (plain(clients[i], x) - x);
    total += n;
  }
  return 1.0 / total * sum;
}

TEST(FedAvg, MatchesMcMahan2017) {
  expect_same(outcome(FedAvgSpec{}), by_hand([](Vector& x, const auto& cohort) {
                x = x + weighted_mean_update(x, cohort);
              }));
  expect_same(outcome(FedAvgSpec{.server_learning_rate = 0.25}),
              by_hand([](Vector& x, const auto& cohort) {
                x = x + 0.25 * weighted_mean_update(x, cohort);
              }));
}

// One client of one step from 0.3 with h = 1, b = 1: w = 0.3 + 0.1 * 0.7.
TEST(FedAvg, OneStepByHand) {
  Driver driver = drive(FedAvgSpec{});
  driver.clients[0].steps = 1;
  driver.round({0});
  expect_same(driver.global, {0.37, -0.7 + 0.1 * 2.0 * -0.3});
}

TEST(FedAvg, UniformWeightsCountEachClientOnce) {
  EXPECT_EQ(make_strategy(FedAvgSpec{.weights = Weighting::uniform})->weight(30), 1);
  EXPECT_EQ(make_strategy(FedAvgSpec{})->weight(30), 30);
  EXPECT_NE(outcome(FedAvgSpec{.weights = Weighting::uniform}), outcome(FedAvgSpec{}));
}

TEST(FedAvgM, MatchesHsu2019) {
  Vector v = {0, 0};
  expect_same(outcome(FedAvgMSpec{.server_learning_rate = 0.5, .momentum = 0.7}),
              by_hand([&](Vector& x, const auto& cohort) {
                v = 0.7 * v + weighted_mean_update(x, cohort);
                x = x + 0.5 * v;
              }));
  expect_same(outcome(FedAvgMSpec{.momentum = 0.0}), outcome(FedAvgSpec{}));
}

TEST(FedProx, MatchesLi2020) {
  const auto clients = three_clients();
  expect_same(outcome(FedProxSpec{.weights = Weighting::uniform, .mu = 0.5}),
              by_hand([&](Vector& x, const auto& cohort) {
                Vector sum = {0, 0};
                for (const size_t i : cohort)
                  sum = sum + descend(clients[i], x, [&](const Vector& y) {
                          return clients[i].gradient(y) + 0.5 * (y - x);
                        });
                x = 1.0 / static_cast<double>(cohort.size()) * sum;
              }));
  expect_same(outcome(FedProxSpec{.mu = 0.0}), outcome(FedAvgSpec{}));
}

TEST(Scaffold, MatchesKarimireddy2020OptionTwo) {
  const auto clients = three_clients();
  Vector c = {0, 0};
  std::vector<Vector> own(3, Vector{0, 0});
  const auto round = [&](Vector& x, const std::vector<size_t>& cohort) {
    Vector dx = {0, 0}, dc = {0, 0};
    for (const size_t i : cohort) {
      const Vector y = descend(
          clients[i], x, [&](const Vector& at) { return clients[i].gradient(at) - own[i] + c; });
      const double k_eta = static_cast<double>(clients[i].steps) * kRate;
      const Vector next = own[i] - c + 1.0 / k_eta * (x - y);
      dx = dx + (y - x);
      dc = dc + (next - own[i]);
      own[i] = next;
    }
    x = x + 0.8 / static_cast<double>(cohort.size()) * dx;
    c = c + 1.0 / 3.0 * dc;  // 1 / N
  };
  Driver driver = drive(ScaffoldSpec{.server_learning_rate = 0.8});
  expect_same(driver.run(), by_hand(round));
  expect_same(*driver.strategy->slots().at(0).second, c);
  for (size_t i = 0; i < 3; ++i) expect_same(driver.memories[i], own[i]);
}

// The defining property: the server's variate is the mean of the clients', whoever took part.
TEST(Scaffold, ServersVariateIsTheMeanOfAllClients) {
  Driver driver = drive(ScaffoldSpec{});
  driver.momentum = 0.6;
  driver.run();
  Vector mean = {0, 0};
  for (const auto& memory : driver.memories) mean = mean + 1.0 / 3.0 * memory;
  expect_same(*driver.strategy->slots().at(0).second, mean);
}

TEST(Scaffold, WhereTheCohortIsPrivateTheExpectedShareCounts) {
  const auto strategy = make_strategy(ScaffoldSpec{});
  const Vector mean = {0, 0, 1, -2};
  Vector x = {0, 0};
  strategy->apply(x, {.values = mean, .clients = 0, .population = 100, .participation = 0.25});
  expect_same(*strategy->slots().at(0).second, {0.25, -0.5});
}

TEST(EffectiveSteps, CountEachGradientsWeight) {
  EXPECT_EQ(effective_steps(0, 0.0), 0.0);
  EXPECT_EQ(effective_steps(7, 0.0), 7.0);
  // Steps 1, 1 + m, 1 + m + m^2 of momentum m.
  const double m = 0.9;
  EXPECT_NEAR(effective_steps(3, m), 1 + (1 + m) + (1 + m + m * m), kTolerance);
}

TEST(FedNova, MatchesWang2020) {
  const auto clients = three_clients();
  const double momentum = 0.5;
  const auto norm = [&](int64_t steps) {
    double sum = 0;
    for (int64_t k = 1; k <= steps; ++k)
      sum += (1 - std::pow(momentum, static_cast<double>(k))) / (1 - momentum);
    return sum;
  };
  const auto round = [&](Vector& x, const std::vector<size_t>& cohort) {
    double n = 0, effective = 0;
    for (const size_t i : cohort) n += static_cast<double>(clients[i].examples);
    Vector direction = {0, 0};
    for (const size_t i : cohort) {
      Vector y = x, v = {0, 0};
      for (int64_t k = 0; k < clients[i].steps; ++k) {
        v = momentum * v + clients[i].gradient(y);
        y = y - kRate * v;
      }
      const double share = static_cast<double>(clients[i].examples) / n;
      effective += share * norm(clients[i].steps);
      direction = direction + share / norm(clients[i].steps) * (y - x);
    }
    x = x + 0.9 * effective * direction;
  };
  Driver driver = drive(FedNovaSpec{.server_learning_rate = 0.9});
  driver.momentum = momentum;
  expect_same(driver.run(), by_hand(round));
}

TEST(FedNova, WithEqualStepsIsFedAvg) {
  Driver nova = drive(FedNovaSpec{}), average = drive(FedAvgSpec{});
  for (Driver* driver : {&nova, &average})
    for (auto& client : driver->clients) client.steps = 4;
  expect_same(nova.run(), average.run());
  EXPECT_NE(outcome(FedNovaSpec{}), outcome(FedAvgSpec{}));
}

// Sums without privacy have a public range of 1024 a coordinate: no number of steps passes it.
TEST(FedNova, UploadsStepsAsSmallNumbers) {
  const auto strategy = make_strategy(FedNovaSpec{});
  ClientMemory memory;
  const Vector update = {1};
  Vector upload(2);
  strategy->upload({.update = update, .steps = 1 << 19, .examples = 1, .learning_rate = 0.1},
                   memory, upload);
  EXPECT_EQ(upload, (Vector{std::ldexp(1, -19), 512}));
}

// Reddi et al. 2021, algorithm 2, coordinate by coordinate.
Vector adaptive_by_hand(double beta_1, double rate, double tau, double variance,
                        const std::function<double(double v, double square)>& second) {
  Vector m = {0, 0}, v = {tau * tau, tau * tau};
  return by_hand([&](Vector& x, const auto& cohort) {
    const Vector d = weighted_mean_update(x, cohort);
    for (size_t j = 0; j < 2; ++j) {
      m[j] = beta_1 * m[j] + (1 - beta_1) * d[j];
      v[j] = second(v[j], d[j] * d[j] - variance);
      x[j] += rate * m[j] / (std::sqrt(v[j] > 0 ? v[j] : 0) + tau);
    }
  });
}

double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

TEST(FedAdagrad, MatchesReddi2021) {
  expect_same(outcome(FedAdagradSpec{.server_learning_rate = 0.2, .beta_1 = 0.3, .tau = 0.05}),
              adaptive_by_hand(0.3, 0.2, 0.05, 0, [](double v, double s) { return v + s; }));
}

TEST(FedAdam, MatchesReddi2021) {
  expect_same(
      outcome(FedAdamSpec{.server_learning_rate = 0.2, .beta_1 = 0.6, .beta_2 = 0.8, .tau = 0.05}),
      adaptive_by_hand(0.6, 0.2, 0.05, 0, [](double v, double s) { return 0.8 * v + 0.2 * s; }));
}

// A large tau begins above the squares, a small one below: both signs.
TEST(FedYogi, MatchesReddi2021) {
  for (const double tau : {0.5, 0.02})
    expect_same(
        outcome(FedYogiSpec{.server_learning_rate = 0.2, .beta_1 = 0.6, .beta_2 = 0.8, .tau = tau}),
        adaptive_by_hand(0.6, 0.2, tau, 0,
                         [](double v, double s) { return v - 0.2 * s * sign(v - s); }));
}

TEST(FedAdagrad, ANegativeSecondMomentCountsAsNone) {
  Driver driver = drive(FedAdagradSpec{.server_learning_rate = 0.01, .tau = 0.05});
  driver.noise_variance = 1.0;
  expect_same(driver.run(),
              adaptive_by_hand(0.0, 0.01, 0.05, 1.0, [](double v, double s) { return v + s; }));
  EXPECT_LT(driver.strategy->slots().at(1).second->at(0), 0);
}

TEST(FedAdam, WithoutMemoryNormalisesEachCoordinate) {
  expect_same(
      outcome(FedAdamSpec{.server_learning_rate = 0.2, .beta_1 = 0.0, .beta_2 = 0.0, .tau = 0.05}),
      by_hand([](Vector& x, const auto& cohort) {
        const Vector d = weighted_mean_update(x, cohort);
        for (size_t j = 0; j < 2; ++j) x[j] += 0.2 * d[j] / (std::abs(d[j]) + 0.05);
      }));
}

TEST(FedAdam, SubtractsTheNoiseFromTheSecondMoment) {
  Driver driver =
      drive(FedAdamSpec{.server_learning_rate = 0.2, .beta_1 = 0.6, .beta_2 = 0.8, .tau = 0.05});
  driver.noise_variance = 0.01;
  expect_same(driver.run(), adaptive_by_hand(0.6, 0.2, 0.05, 0.01,
                                             [](double v, double s) { return 0.8 * v + 0.2 * s; }));
}

// Under noise alone the second moment of Adam tends to 0, not to the variance (DP-AdamBC).
TEST(FedAdam, SecondMomentOfPureNoiseHasMeanZero) {
  const auto strategy = make_strategy(FedAdamSpec{.beta_2 = 0.99, .tau = 1e-9});
  constexpr size_t kCoordinates = 20000;
  constexpr double kVariance = 0.04;
  Vector x(kCoordinates, 0.0), noise(kCoordinates);
  RandomStream stream(RandomKey::from_seed(1), {Purpose::probe});
  for (int round = 0; round < 50; ++round) {
    std::ranges::fill(noise, 0.0);
    stream.add_normal(noise, std::sqrt(kVariance));
    strategy->apply(x,
                    {.values = noise, .clients = 1, .population = 1, .noise_variance = kVariance});
  }
  double mean = 0;
  for (const double v : *strategy->slots().at(1).second) mean += v / kCoordinates;
  // One coordinate's v has standard deviation below sqrt(2) * 0.04 * 0.07.
  EXPECT_LT(std::abs(mean), 6 * 0.004 / std::sqrt(kCoordinates));
}

TEST(FedDyn, MatchesAcar2021) {
  const auto clients = three_clients();
  const double alpha = 0.3;
  Vector h = {0, 0};
  std::vector<Vector> last(3, Vector{0, 0});  // gradients at the clients' last models
  expect_same(outcome(FedDynSpec{.alpha = alpha}), by_hand([&](Vector& x, const auto& cohort) {
                Vector sum = {0, 0}, drift = {0, 0};
                for (const size_t i : cohort) {
                  const Vector y = descend(clients[i], x, [&](const Vector& at) {
                    return clients[i].gradient(at) - last[i] + alpha * (at - x);
                  });
                  last[i] = last[i] - alpha * (y - x);
                  sum = sum + y;
                  drift = drift + (y - x);
                }
                h = h - alpha / 3.0 * drift;  // m = 3
                x = 1.0 / static_cast<double>(cohort.size()) * sum - 1.0 / alpha * h;
              }));
}

// Where local minima are exact, the fixed point is the minimum of the sum (Acar et al., theorem 1).
TEST(FedDyn, ReachesTheOptimumOfTheSum) {
  Driver driver = drive(FedDynSpec{.alpha = 0.5});
  for (auto& client : driver.clients) client.steps = 400;
  for (int round = 0; round < 200; ++round) driver.round({0, 1, 2});
  for (size_t j = 0; j < 2; ++j) {
    double above = 0, below = 0;
    for (const auto& client : driver.clients) {
      above += client.curvature[j] * client.optimum[j];
      below += client.curvature[j];
    }
    EXPECT_NEAR(driver.global[j], above / below, 1e-9);
  }
}

TEST(QFedAvg, MatchesLi2020) {
  const auto clients = three_clients();
  const double q = 1.5, big_l = 1 / kRate, start = 1e-10;
  expect_same(outcome(QFedAvgSpec{.q = q}), by_hand([&](Vector& x, const auto& cohort) {
                Vector delta = {0, 0};
                double h = 0;
                for (const size_t i : cohort) {
                  const double loss = clients[i].loss(x) + start;
                  const Vector dw = big_l * (x - plain(clients[i], x));
                  delta = delta + std::pow(loss, q) * dw;
                  h += q * std::pow(loss, q - 1) * (dw[0] * dw[0] + dw[1] * dw[1]) +
                       big_l * std::pow(loss, q);
                }
                x = x - 1 / h * delta;
              }));
}

TEST(QFedAvg, WithoutPowerIsUniformFedAvg) {
  expect_same(outcome(QFedAvgSpec{.q = 0}), outcome(FedAvgSpec{.weights = Weighting::uniform}));
}

TEST(QFedAvg, RefusesALossThatIsNone) {
  Driver driver = drive(QFedAvgSpec{});
  ClientMemory memory;
  const Vector update = {1, 1};
  Vector upload(3);
  for (const double loss : {-1.0, std::nan("")})
    EXPECT_THROW(driver.strategy->upload({.update = update,
                                          .steps = 1,
                                          .examples = 1,
                                          .learning_rate = 0.1,
                                          .initial_loss = loss},
                                         memory, upload),
                 Error);
}

TEST(FedSgd, StepsByTheMeanGradient) {
  const auto clients = three_clients();
  Driver driver = drive(FedSgdSpec{.server_learning_rate = 0.7});
  for (auto& client : driver.clients) client.steps = 1;
  expect_same(driver.run(), by_hand([&](Vector& x, const auto& cohort) {
                Vector sum = {0, 0};
                double n = 0;
                for (const size_t i : cohort) {
                  const auto weight = static_cast<double>(clients[i].examples);
                  sum = sum + weight * clients[i].gradient(x);
                  n += weight;
                }
                x = x - 0.7 / n * sum;
              }));
}

TEST(FedBuff, WeighsStaleUpdatesByTheSquareRoot) {
  EXPECT_EQ(staleness_weight(0), 1.0);
  EXPECT_EQ(staleness_weight(3), 0.5);
  Driver driver = drive(FedBuffSpec{.server_learning_rate = 0.9});
  driver.staleness = 3;
  expect_same(driver.run(),
              outcome(FedAvgSpec{.weights = Weighting::uniform, .server_learning_rate = 0.45}));
}

TEST(FedBn, KeepsNormalisationAtTheClient) {
  const auto strategy = make_strategy(FedBnSpec{});
  for (const char* layer :
       {"BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm", "InstanceNorm2d"})
    EXPECT_TRUE(strategy->keeps_local({"1.weight", layer})) << layer;
  for (const char* layer : {"Linear", "Conv2d", "LSTM", ""})
    EXPECT_FALSE(strategy->keeps_local({"1.weight", layer})) << layer;
  expect_same(outcome(FedBnSpec{}), outcome(FedAvgSpec{}));
}

TEST(FedPer, KeepsTheLayersNamed) {
  const auto strategy = make_strategy(FedPerSpec{.personal = {"layers.1", "head.bias"}});
  for (const char* name : {"layers.1.weight", "layers.1.0.bias", "head.bias", "layers.1"})
    EXPECT_TRUE(strategy->keeps_local({name, "Linear"})) << name;
  for (const char* name : {"layers.10.weight", "layers.0.weight", "head.weight", "1.weight"})
    EXPECT_FALSE(strategy->keeps_local({name, "Linear"})) << name;
  expect_same(outcome(FedPerSpec{.personal = {"x"}}), outcome(FedAvgSpec{}));
}

TEST(Ditto, TrainsAPersonalModelBesideFedAvg) {
  EXPECT_EQ(make_strategy(DittoSpec{.lambda = 0.3})->personal_proximal(), 0.3);
  EXPECT_EQ(make_strategy(DittoSpec{})->correction({}).proximal, 0.0);
  expect_same(outcome(DittoSpec{}), outcome(FedAvgSpec{}));
}

std::vector<StrategySpec> every_strategy() {
  std::vector<StrategySpec> all;
  [&]<size_t... i>(std::index_sequence<i...>) { (all.emplace_back(std::in_place_index<i>), ...); }
  (std::make_index_sequence<std::variant_size_v<StrategySpec>>());
  return all;
}

bool distils(const StrategySpec& spec) { return distillation_of(spec) != nullptr; }

TEST(EveryStrategy, BearsTheNameOfItsSpec) {
  for (const auto& spec : every_strategy()) EXPECT_EQ(make_strategy(spec)->name(), to_string(spec));
}

TEST(EveryStrategy, WeighsAsItsSpecSays) {
  for (const auto& spec : every_strategy())
    EXPECT_EQ(make_strategy(spec)->weight(30), weighting_of(spec) == Weighting::examples ? 30 : 1)
        << to_string(spec);
}

// Slots and memories are all that the next rounds depend on: moved to a new strategy after two
// rounds, they give the same end.
TEST(EveryStrategy, GoesOnFromItsSlots) {
  for (const auto& spec : every_strategy()) {
    if (distils(spec)) continue;
    Driver whole = drive(spec), first = drive(spec), second = drive(spec);
    for (Driver* driver : {&whole, &first, &second}) driver->noise_variance = 1e-3;
    whole.run();
    for (size_t t = 0; t < 2; ++t) first.round(cohorts()[t]);
    second.global = first.global;
    second.memories = first.memories;
    const auto from = first.strategy->slots(), to = second.strategy->slots();
    ASSERT_EQ(from.size(), to.size());
    for (size_t k = 0; k < from.size(); ++k) {
      EXPECT_EQ(from[k].first, to[k].first);
      EXPECT_EQ(from[k].second->size(), 2u) << to_string(spec);
      *to[k].second = *from[k].second;
    }
    for (size_t t = 2; t < cohorts().size(); ++t) second.round(cohorts()[t]);
    EXPECT_EQ(second.global, whole.global) << to_string(spec);
  }
}

TEST(EveryStrategy, UploadsTheUpdatesCoordinatesFirstAndFillsTheRest) {
  for (const auto& spec : every_strategy()) {
    if (distils(spec)) continue;
    Driver driver = drive(spec);
    EXPECT_GE(driver.strategy->upload_size(2), 2) << to_string(spec);
    const Vector upload = driver.upload_of(1);
    // Every algorithm uploads a positive multiple of the update there.
    const Vector update =
        driver.train(driver.clients[1], make_strategy(spec)->correction({})) - driver.global;
    EXPECT_NEAR(upload[0] * update[1], upload[1] * update[0], kTolerance) << to_string(spec);
    EXPECT_GT(upload[0] * update[0], 0) << to_string(spec);
    for (const double value : upload) EXPECT_NE(value, 0) << to_string(spec);
  }
}

// An upload is the update and then the answers: one mean for the model, one for the public set.
TEST(FedDf, AveragesModelsAndAnswersButSendsModelsOnly) {
  const auto strategy = make_strategy(FedDfSpec{.temperature = 2.0, .distillation = {}}, 3);
  EXPECT_EQ(strategy->upload_size(2), 5);
  EXPECT_EQ(strategy->sent_size(2), 2);
  EXPECT_EQ(strategy->download_size(2), 2);
  EXPECT_EQ(strategy->weight(30), 30);
  EXPECT_EQ(strategy->distilling()->student_temperature, 2.0);
  EXPECT_FALSE(strategy->distilling()->at_clients);
  EXPECT_TRUE(strategy->consensus().empty());

  const Vector update = {1, -2}, answers = {5, 6, 7};
  LocalResult result;
  result.update = update;
  result.answers = answers;
  ClientMemory memory;
  Vector upload(5);
  strategy->upload(result, memory, upload);
  EXPECT_EQ(upload, (Vector{1, -2, 5, 6, 7}));

  Vector global = {10, 20};
  strategy->apply(global, {.values = upload, .clients = 1, .population = 1});
  EXPECT_EQ(global, (Vector{11, 18}));
  EXPECT_EQ(Vector(strategy->consensus().begin(), strategy->consensus().end()), answers);
}

TEST(AnswerExchange, UploadsAnswersInThePlaceOfTheUpdate) {
  for (const StrategySpec& spec : {StrategySpec(DsFlSpec{}), StrategySpec(FedMdSpec{})}) {
    const auto strategy = make_strategy(spec, 3);
    EXPECT_EQ(strategy->upload_size(1000), 3);
    EXPECT_EQ(strategy->sent_size(1000), 3);
    EXPECT_EQ(strategy->download_size(1000), 0) << "nothing to send before the first round";
    EXPECT_TRUE(strategy->keeps_local({"0.weight", "Linear"}));
    EXPECT_TRUE(strategy->distilling()->at_clients);
    EXPECT_EQ(strategy->distilling()->probabilities, to_string(spec) == "dsfl");
    EXPECT_EQ(strategy->weight(30), 1);

    const Vector update = {1, -2}, answers = {5, 6, 7};
    LocalResult result;
    result.update = update;
    result.answers = answers;
    ClientMemory memory;
    Vector upload(3), global = {10, 20};
    strategy->upload(result, memory, upload);
    EXPECT_EQ(upload, answers);
    strategy->apply(global, {.values = upload, .clients = 1, .population = 1});
    EXPECT_EQ(global, (Vector{10, 20})) << "the server's model learns; it is not averaged";
    EXPECT_EQ(strategy->download_size(1000), 3);

    const auto resumed = make_strategy(spec, 3);
    *resumed->slots()[0].second = *strategy->slots()[0].second;
    EXPECT_EQ(Vector(resumed->consensus().begin(), resumed->consensus().end()), answers);
  }
}

// Itahara et al. 2020, equation 9: reduction of entropy is a softmax of small temperature.
TEST(AnswerExchange, TemperaturesFollowThePapers) {
  const auto dsfl = make_strategy(DsFlSpec{}, 3), fedmd = make_strategy(FedMdSpec{}, 3);
  EXPECT_EQ(dsfl->distilling()->target_temperature, 0.1);
  EXPECT_EQ(dsfl->distilling()->student_temperature, 1.0);
  EXPECT_EQ(fedmd->distilling()->target_temperature, 1.0);
}

}  // namespace
}  // namespace starling
