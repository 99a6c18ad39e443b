// Adaptive server optimizers (Reddi et al. 2021), written out here without the library.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "federated/by_hand.h"
#include "starling/core/random.h"

namespace starling {
namespace {

using test::by_hand;
using test::drive;
using test::Driver;
using test::expect_same;
using test::outcome;
using test::Vector;
using test::weighted_mean_update;
using test::operator*;
using test::operator+;
using test::operator-;

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

}  // namespace
}  // namespace starling
