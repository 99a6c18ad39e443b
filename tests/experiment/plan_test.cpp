#include "starling/experiment/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "experiment/documents.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

using test::error_of;
using ::testing::HasSubstr;

constexpr double kEpsilon = 3.0;
constexpr double kDelta = 1e-5;
// Calibration answers to six digits: a thousandth less noise must miss the target.
constexpr double kSlack = 1e-3;

const std::vector<int64_t> kSizes = {40, 200, 333, 1000, 20};

Json document() {
  Json json = test::smallest();
  json["rounds"] = 12;
  json["seed"] = 5;
  json["participation"] = parse_json(R"({"kind": "fraction", "fraction": 0.4})", "p");
  json["local"] = parse_json(R"({"epochs": 2, "batch_size": 16, "sampling": "poisson"})", "l");
  json["privacy"] = parse_json(
      R"({"unit": "example", "epsilon": 3, "delta": 1e-5, "accountant": "rdp"})", "privacy");
  return json;
}

FederationPlan plan_of(const Json& json, const std::vector<int64_t>& sizes = kSizes) {
  return plan_federation(parse_experiment(json, "x.json"), sizes, "x.json");
}

Json with(const std::string& pointer, const std::string& value) {
  return test::with(pointer, value, document());
}

Json add_remove() {
  Json json = with("/privacy/relation", R"("add_remove")");
  json["strategy"]["weights"] = "uniform";
  json["local"] = parse_json(R"({"steps": 6, "batch_size": 16, "sample_rate": 0.05})", "local");
  return json;
}

std::vector<int64_t> rounds_of(const FederationPlan& plan, size_t clients) {
  std::vector<int64_t> rounds(clients, 0);
  for (const auto& round : plan.schedule)
    for (const int64_t client : round) ++rounds[static_cast<size_t>(client)];
  return rounds;
}

// What a client's releases cost, written down without the plan.
double epsilon_by_hand(const Accountant& accountant, double rate, double noise, int64_t steps) {
  Event event;
  event.mechanism = GaussianMechanism{noise};
  event.sampling = PoissonSampling{rate};
  event.count = steps;
  return accountant.epsilon(std::vector<Event>{event}, Relation::zero_out, kDelta).epsilon;
}

TEST(Schedule, FollowsFromTheSeedAndNotFromSizesOrPrivacy) {
  const auto reference = plan_of(document()).schedule;
  EXPECT_EQ(plan_of(document(), {9999, 1, 17, 3, 250}).schedule, reference);
  EXPECT_EQ(plan_of(with("/privacy", R"({"unit": "none"})")).schedule, reference);
  EXPECT_EQ(plan_of(with("/privacy/insecure_seed", "77")).schedule, reference);
  EXPECT_NE(plan_of(with("/seed", "6")).schedule, reference);
}

TEST(Schedule, FractionTakesSoManyDifferentClientsEachRound) {
  const auto plan = plan_of(document());
  ASSERT_EQ(plan.schedule.size(), 12u);
  std::set<int64_t> seen;
  for (const auto& round : plan.schedule) {
    EXPECT_EQ(round.size(), 2u);
    EXPECT_TRUE(std::is_sorted(round.begin(), round.end()));
    EXPECT_EQ(std::set<int64_t>(round.begin(), round.end()).size(), 2u);
    seen.insert(round.begin(), round.end());
  }
  EXPECT_EQ(seen, (std::set<int64_t>{0, 1, 2, 3, 4}));
}

TEST(Schedule, PoissonTakesEachClientWithItsOwnCoin) {
  Json json = with("/privacy", R"({"unit": "none"})");
  json["participation"] = parse_json(R"({"kind": "poisson", "rate": 0.3})", "p");
  json["rounds"] = 4000;
  const auto plan = plan_of(json);
  const double deviation = std::sqrt(4000 * 0.3 * 0.7);
  for (const int64_t rounds : rounds_of(plan, kSizes.size()))
    EXPECT_NEAR(static_cast<double>(rounds), 4000 * 0.3, 5 * deviation);
  int64_t empty = 0;
  for (const auto& round : plan.schedule) empty += round.empty();
  EXPECT_NEAR(static_cast<double>(empty), 4000 * std::pow(0.7, 5), 5 * std::sqrt(4000 * 0.17));
}

TEST(Schedule, MaxParticipationsIsNeverPassedAndEndsTheRun) {
  for (const char* kind : {R"({"kind": "fraction", "fraction": 0.4, "max_participations": 3})",
                           R"({"kind": "poisson", "rate": 0.7, "max_participations": 3})"}) {
    Json json = with("/participation", kind);
    json["rounds"] = 50;
    const auto plan = plan_of(json);
    EXPECT_LT(plan.schedule.size(), 50u);
    for (const int64_t rounds : rounds_of(plan, kSizes.size())) EXPECT_EQ(rounds, 3);
  }
}

TEST(Plan, EachClientIsCalibratedToItsOwnRateAndScheduledSteps) {
  for (const char* name : {"rdp", "exact"}) {
    Json json = document();
    json["privacy"]["accountant"] = name;
    const auto plan = plan_of(json);
    const auto accountant = make_accountant(name);
    const auto rounds = rounds_of(plan, kSizes.size());
    for (const auto& client : plan.clients) {
      const int64_t n = kSizes.at(static_cast<size_t>(client.client));
      const double rate = std::min(1.0, 16.0 / static_cast<double>(n));
      const int64_t steps = 2 * ((n + 15) / 16) * rounds.at(static_cast<size_t>(client.client));
      const double noise = client.privacy->noise_multiplier;
      const double epsilon = epsilon_by_hand(*accountant, rate, noise, steps);
      EXPECT_LE(epsilon, kEpsilon) << name << " " << client.client;
      EXPECT_GT(epsilon_by_hand(*accountant, rate, noise * (1 - kSlack), steps), kEpsilon)
          << name << " " << client.client;
      EXPECT_NEAR(client.epsilon, epsilon, 1e-9);
      EXPECT_EQ(client.privacy->sample_rate, rate);
      EXPECT_EQ(client.rounds * client.steps, steps);
    }
  }
}

TEST(Plan, ClientsOfEqualSizeThatTakePartMoreOftenGetMoreNoise) {
  const auto plan = plan_of(document(), {200, 200, 200, 200, 200});
  for (const auto& a : plan.clients) {
    for (const auto& b : plan.clients) {
      if (a.rounds <= b.rounds) continue;
      EXPECT_GT(a.privacy->noise_multiplier, b.privacy->noise_multiplier);
    }
  }
}

TEST(Plan, EpsilonIsNeverAboveTheTargetAndNeverBelowAnyClients) {
  std::vector<Json> documents = {document(), add_remove(),
                                 with("/privacy/relation", R"("replace_one")"),
                                 with("/local/sampling", R"("shuffle")")};
  documents.push_back(with("/local/sampling", R"("fixed")"));
  documents.back()["privacy"]["relation"] = "replace_one";
  for (const auto& json : documents) {
    for (const std::vector<int64_t>& sizes : {kSizes, {1, 15, 16, 17, 900}}) {
      const auto plan = plan_of(json, sizes);
      EXPECT_TRUE(plan.epsilon > 0.9 * kEpsilon && plan.epsilon <= kEpsilon) << json.dump();
      for (const auto& client : plan.clients) {
        EXPECT_GE(plan.epsilon, client.epsilon) << json.dump();
        EXPECT_TRUE(client.rounds == 0 || client.privacy->noise_multiplier > 0) << json.dump();
      }
    }
  }
}

TEST(Plan, AGivenNoiseMultiplierHoldsForAllAndIsAccountedForEach) {
  Json json = document();
  json["privacy"].erase("epsilon");
  json["privacy"]["noise_multiplier"] = 0.9;
  const auto plan = plan_of(json);
  const auto rdp = make_accountant("rdp");
  double largest = 0.0;
  for (const auto& client : plan.clients) {
    EXPECT_EQ(client.privacy->noise_multiplier, 0.9);
    const double rate = 16.0 / static_cast<double>(std::max<int64_t>(client.examples, 16));
    const double epsilon = epsilon_by_hand(*rdp, rate, 0.9, client.steps * client.rounds);
    EXPECT_NEAR(client.epsilon, epsilon, 1e-9);
    largest = std::max(largest, epsilon);
  }
  EXPECT_NEAR(plan.epsilon, largest, 1e-9);
}

// All ten steps of a round share the coin of its client, and the server sees who takes part.
TEST(Plan, SamplingOfClientsAmplifiesNothingAtExampleLevel) {
  Json json = document();
  json["rounds"] = 20;
  json["participation"] = parse_json(R"({"kind": "poisson", "rate": 0.1})", "p");
  json["local"] = parse_json(R"({"steps": 10, "batch_size": 1000, "sampling": "poisson"})", "l");
  json["privacy"] = parse_json(
      R"({"unit": "example", "noise_multiplier": 3, "delta": 1e-5, "accountant": "exact"})", "p");
  const auto exact = make_accountant("exact");
  const double one_round = epsilon_by_hand(*exact, 1.0, 3.0, 10);
  int64_t rounds = 0;
  for (const auto& client : plan_of(json).clients) {
    EXPECT_NEAR(client.epsilon, epsilon_by_hand(*exact, 1.0, 3.0, 10 * client.rounds), 1e-6);
    EXPECT_TRUE(client.rounds == 0 || client.epsilon >= one_round - 1e-6) << client.epsilon;
    rounds += client.rounds;
  }
  EXPECT_GT(rounds, 0);
}

// The client that needs most noise decides; the divisor is a constant of the schedule.
TEST(Plan, ServersNoiseIsOneForAllClients) {
  Json json = with("/privacy/adversary", R"("every_global_model")");
  json["local"] = parse_json(R"({"steps": 1, "batch_size": 16, "sampling": "poisson"})", "l");
  json["strategy"] = parse_json(R"({"kind": "fedsgd", "weights": "uniform"})", "s");
  const auto alone = plan_of(json);
  EXPECT_FALSE(alone.sums);
  json["strategy"]["noise_by"] = "server";
  const auto plan = plan_of(json);
  ASSERT_TRUE(plan.sums);
  double largest = 0.0;
  for (const auto& client : alone.clients)
    largest = std::max(largest, client.privacy->noise_multiplier);
  EXPECT_EQ(plan.sums->noise_multiplier, largest);
  EXPECT_EQ(plan.sums->clip_norm, plan.clients[0].privacy->clip_norm);
  for (const auto& client : plan.clients) {
    EXPECT_EQ(client.privacy->noise_multiplier, largest);
    EXPECT_LE(client.epsilon, kEpsilon);
  }
  EXPECT_GT(plan.epsilon, 0.9 * kEpsilon);
  ASSERT_EQ(plan.sums->divisors.size(), plan.schedule.size());
  for (size_t round = 0; round < plan.schedule.size(); ++round)
    EXPECT_EQ(plan.sums->divisors[round], 16.0 * static_cast<double>(plan.schedule[round].size()));
  EXPECT_THAT(error_of([&] {
                plan_of(json, {40, 200, 65537});
              }),
              HasSubstr("/strategy/noise_by: \"server\" takes clients of at most 65536 examples"));
}

// Rates, divisors, steps, noise and epsilon are the same whatever the clients hold.
TEST(Plan, UnderAddRemoveNothingFollowsFromTheNumberOfExamples) {
  const auto few = plan_of(add_remove(), {1, 2, 3, 4, 5});
  const auto many = plan_of(add_remove(), {100, 2000, 7, 900, 31});
  EXPECT_EQ(few.delta, many.delta);
  EXPECT_EQ(few.epsilon, many.epsilon);
  EXPECT_FALSE(many.warning);
  for (size_t i = 0; i < few.clients.size(); ++i) {
    const auto &a = *few.clients[i].privacy, &b = *many.clients[i].privacy;
    EXPECT_EQ(few.clients[i].steps, many.clients[i].steps);
    EXPECT_EQ(a.sample_rate, b.sample_rate);
    EXPECT_EQ(a.divisor(), b.divisor());
    EXPECT_EQ(a.noise_multiplier, b.noise_multiplier);
    EXPECT_EQ(a.examples, b.examples);
  }
}

TEST(Plan, DeltaByDefaultIsThePowerOfTenOfTheSmallestClient) {
  Json json = document();
  json["privacy"].erase("delta");
  EXPECT_EQ(plan_of(json, {40, 200, 333, 1000, 21}).delta, 1e-3);
  EXPECT_EQ(plan_of(json, {101, 200, 333, 1000, 210}).delta, 1e-4);
}

TEST(Plan, cfg_delta_vs_n_WarnsWhereItIsNotBelowOneOverTheExamplesOfSomeClient) {
  EXPECT_FALSE(plan_of(document()).warning);
  const auto warned = plan_of(with("/privacy/delta", "1e-3")).warning;
  ASSERT_TRUE(warned);
  EXPECT_THAT(*warned, HasSubstr("NOT below 1 / n for the 1000 examples of client 3"));
  EXPECT_THAT(*warned, HasSubstr("1e-04 or less"));
  EXPECT_FALSE(plan_of(with("/privacy/delta", "9.9e-4")).warning);
}

TEST(Plan, AClientThatNeverTakesPartSpendsNothing) {
  Json json = with("/participation", R"({"kind": "fraction", "fraction": 0.2})");
  json["rounds"] = 1;
  const auto plan = plan_of(json);
  int64_t resting = 0;
  for (const auto& client : plan.clients) {
    if (client.rounds > 0) continue;
    ++resting;
    EXPECT_EQ(client.epsilon, 0.0);
  }
  EXPECT_EQ(resting, 4);
}

// 10^18 steps a round for 10^9 rounds wrap in 64 bits; an epsilon of 0 must not come of it.
TEST(Plan, RefusesMoreStepsThanCanBeCounted) {
  Json json = with("/local/epochs", "1000000000");
  json["rounds"] = 1000000000;
  EXPECT_THAT(error_of([&] { plan_of(json, {1000, 1000}); }), HasSubstr("more than 2^53"));
}

TEST(SpentPrivacy, GrowsWithEveryRoundUpToThePlansEpsilon) {
  const auto plan = plan_of(document());
  const auto accountant = make_accountant("rdp");
  SpentPrivacy spent(plan, *accountant);
  double before = spent.largest();
  EXPECT_EQ(before, 0.0);
  for (const auto& round : plan.schedule) {
    for (const int64_t client : round) spent.take_part(client);
    EXPECT_GE(spent.largest(), before);
    before = spent.largest();
  }
  EXPECT_NEAR(before, plan.epsilon, 1e-12);
  for (const auto& client : plan.clients)
    EXPECT_GT(spent.epsilon_after(client.client, client.rounds + 1), client.epsilon);
}

}  // namespace
}  // namespace starling
