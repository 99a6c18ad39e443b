// Client-level privacy at the server: clip, noise, divisor and event of one plan.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "starling/federated/collector.h"
#include "starling/federated/server.h"

namespace starling {
namespace {

constexpr int64_t kSize = 20000;

StateDict zeros(int64_t size = kSize) {
  StateDict state;
  state.tensors.push_back({"w", torch::zeros({size}), false});
  return state;
}

RoundPlan plan_of(double noise_multiplier) {
  RoundPlan plan;
  plan.clients = 50;
  plan.sample_rate = 0.2;
  plan.clip_norm = 0.5;
  plan.noise_multiplier = noise_multiplier;
  return plan;
}

Server make_server(const RoundPlan& plan, StateDict initial = zeros(),
                   NoiseKind noise = NoiseKind::fast, FedAvgSpec spec = {Weighting::uniform}) {
  ServerOptions options;
  options.population = plan.clients;
  options.privacy = plan;
  options.noise = noise;
  return {std::move(initial), make_strategy(spec), options};
}

ClientUpdate update_of(const Server& server, int64_t client, int64_t round, double value,
                       int64_t examples = 10) {
  ClientUpdate update;
  update.client = client;
  update.round = round;
  update.examples = examples;
  update.state = clone(server.global());
  update.state.tensors[0].value.add_(value);
  return update;
}

void one_round(Server& server, int64_t round, const std::vector<ClientUpdate>& updates,
               uint64_t key = 1) {
  Collector collector(server, round);
  ClientState state;
  for (const auto& update : updates) collector.add(update, state);
  server.finish(collector, RandomKey::from_seed(key));
}

torch::Tensor weights(const Server& server) { return server.global().at("w").to(torch::kDouble); }

// The noise's standard deviation is m C w_max on the sum and m C / (q N) after the division,
// whoever takes part; trap 19: an empty cohort releases noise as well.
TEST(ClientPrivacy, NoiseOfARoundIsThePlans) {
  for (const auto noise : {NoiseKind::fast, NoiseKind::secure}) {
    for (const int64_t weight_cap : {1, 4}) {
      RoundPlan plan = plan_of(2.0);
      plan.weight_cap = weight_cap;
      Server server = make_server(plan, zeros(), noise, {Weighting::examples});
      one_round(server, 0, {});
      const double deviation = 2.0 * 0.5 / (0.2 * 50);
      const double error = 5 * deviation / std::sqrt(2.0 * kSize);
      EXPECT_NEAR(weights(server).pow(2).mean().sqrt().item<double>(), deviation, error);
      EXPECT_NEAR(weights(server).mean().item<double>(), 0.0,
                  5 * deviation / std::sqrt(1.0 * kSize));
    }
  }
}

// Traps 4, 5, 8: an update of any size is clipped as a whole, and the divisor is q N.
TEST(ClientPrivacy, upd_norm_server_side_OneClientMovesTheModelByAtMostClipOverDivisor) {
  for (const double size : {1e-4, 1.0, 1e6}) {
    Server with = make_server(plan_of(1e-3)), without = make_server(plan_of(1e-3));
    one_round(with, 0, {update_of(with, 3, 0, size)});
    one_round(without, 0, {});
    const double moved = (weights(with) - weights(without)).norm().item<double>();
    const double norm = std::min(0.5, size * std::sqrt(1.0 * kSize));
    EXPECT_NEAR(moved, norm / (0.2 * 50), 1e-5 * norm);
  }
}

// Trap 7.
TEST(ClientPrivacy, WeightsAreCappedWithTheirSensitivity) {
  RoundPlan plan = plan_of(1e-3);
  plan.weight_cap = 4;
  const FedAvgSpec by_examples{Weighting::examples};
  for (const int64_t examples : {2, 4, 400}) {
    Server with = make_server(plan, zeros(), NoiseKind::fast, by_examples);
    Server without = make_server(plan, zeros(), NoiseKind::fast, by_examples);
    one_round(with, 0, {update_of(with, 3, 0, 1.0, examples)});
    one_round(without, 0, {});
    const double weight = std::min<double>(4, static_cast<double>(examples));
    EXPECT_NEAR((weights(with) - weights(without)).norm().item<double>(),
                weight * 0.5 / (0.2 * 50 * 4), 1e-6);
  }
}

// Trap 17: rounds and runs have noise of their own.
TEST(ClientPrivacy, NoiseDiffersBetweenRoundsAndKeys) {
  const auto noise = [](int64_t round, uint64_t key) {
    Server server = make_server(plan_of(1.0));
    one_round(server, round, {}, key);
    return weights(server);
  };
  const auto first = noise(0, 1);
  EXPECT_TRUE(torch::equal(first, noise(0, 1)));
  for (const auto& other : {noise(1, 1), noise(0, 2)}) {
    const auto correlation = torch::corrcoef(torch::stack({first, other}))[0][1].item<double>();
    EXPECT_LT(std::abs(correlation), 5 / std::sqrt(1.0 * kSize));
  }
}

// Andrew et al. 2021: with sharp counts C converges to the quantile of the norms.
TEST(ClientPrivacy, AdaptiveClippingFindsTheQuantile) {
  RoundPlan plan = plan_of(1e-3);
  plan.sample_rate = 1.0;
  plan.cohort_kind = CohortKind::all;
  plan.adaptive = AdaptiveClipPlan{0.5, 0.2, 0.5};
  Server server = make_server(plan, zeros(4));
  for (int64_t round = 0; round < 60; ++round) {
    std::vector<ClientUpdate> updates;
    for (int64_t client = 0; client < plan.clients; ++client)
      updates.push_back(update_of(server, client, round, 0.1 * static_cast<double>(client + 1)));
    one_round(server, round, updates);
  }
  EXPECT_NEAR(server.clip_norm(), 5.0, 0.5);  // norms are 0.2, 0.4, ..., 10
}

TEST(ClientPrivacy, AdaptiveClippingStaysInItsPublicRange) {
  RoundPlan plan = plan_of(1.0);
  plan.adaptive = AdaptiveClipPlan{1.0, 5.0, 1.0};
  Server server = make_server(plan, zeros(4));
  for (int64_t round = 0; round < 30; ++round) one_round(server, round, {});
  EXPECT_GT(server.clip_norm(), plan.clip_norm);
  EXPECT_LE(server.clip_norm(), plan.largest_clip());
}

// Kairouz et al. 2021: the sum over rounds 1..t carries one node noise a set bit of t.
TEST(ClientPrivacy, PrefixSumsOfATreeCarryTheNoiseOfTheirNodes) {
  RoundPlan plan = plan_of(2.0);
  plan.cohort_kind = CohortKind::tree;
  plan.relation = Relation::zero_out;
  plan.cohort = 10;
  plan.tree = TreePlan{8, 1, 0};
  Server server = make_server(plan);
  const double node = std::pow(2.0 * 0.5 / 10, 2);
  auto before_tree = weights(server);
  for (int64_t round = 0; round < 16; ++round) {
    if (round == 8) before_tree = weights(server);
    one_round(server, round, {});
    const int64_t t = round % 8 + 1;
    const double variance = (weights(server) - before_tree).pow(2).mean().item<double>();
    const double expected = node * std::popcount(static_cast<uint64_t>(t));
    EXPECT_NEAR(variance, expected, 6 * expected * std::sqrt(2.0 / kSize)) << round;
  }
}

}  // namespace
}  // namespace starling
