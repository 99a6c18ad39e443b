// Strategies that average, each against its paper, written out here without the library.

#include <gtest/gtest.h>

#include <cmath>

#include "federated/by_hand.h"
#include "starling/core/error.h"

namespace starling {
namespace {

using test::by_hand;
using test::descend;
using test::drive;
using test::Driver;
using test::expect_same;
using test::kRate;
using test::kTolerance;
using test::outcome;
using test::plain;
using test::three_clients;
using test::Vector;
using test::weighted_mean_update;
using test::operator*;
using test::operator+;
using test::operator-;

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

}  // namespace
}  // namespace starling
