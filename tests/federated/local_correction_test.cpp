// Strategies that correct local drift, each against its paper, written out here.

#include <gtest/gtest.h>

#include "federated/by_hand.h"

namespace starling {
namespace {

using test::by_hand;
using test::descend;
using test::drive;
using test::Driver;
using test::expect_same;
using test::kRate;
using test::outcome;
using test::three_clients;
using test::Vector;
using test::operator*;
using test::operator+;
using test::operator-;

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

}  // namespace
}  // namespace starling
