// Case cfg_budget_stop: whatever the plan says, no round begins that would pass a target.

#include "experiment/spending.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "experiment/documents.h"
#include "experiment/stream_name.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

class SpendingTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void TearDown() override { std::filesystem::remove(path_); }

  // A plan for `json` whose noise is less than its target needs, as a fault might make it.
  void prepare(const Json& json, double noise) {
    experiment_ = parse_experiment(json, "x.json");
    plan_ = plan_federation(experiment_, {40, 200, 333}, "x.json");
    for (auto& client : plan_.clients)
      if (client.privacy) client.privacy->noise_multiplier *= noise;
    if (plan_.server) plan_.server->round.noise_multiplier *= noise;
  }

  const std::string path_ = testing::TempDir() + "starling_spending_" + std::to_string(getpid());
  Experiment experiment_;
  FederationPlan plan_;
};

constexpr double kTarget = 3.0;
constexpr int64_t kRounds = 12;

TEST_F(SpendingTest, cfg_budget_stop_ClientsSitOutBeforeTheyWouldPassTheTarget) {
  Json json = test::with("/privacy", R"({"unit": "example", "epsilon": 3, "delta": 1e-4})");
  json["rounds"] = kRounds;
  for (const double noise : {1.0, 0.7}) {
    SetUp();
    prepare(json, noise);
    experiment::Spending spending(experiment_, plan_, path_);
    spending.identify("run", "config");
    int64_t paid = 0;
    for (int64_t round = 0; round < kRounds; ++round) {
      const auto able = spending.able({0, 1, 2});
      spending.pay(round, able);
      paid += std::ssize(able);
      for (const int64_t client : {0, 1, 2}) EXPECT_LE(spending.epsilon_of(client), kTarget);
    }
    EXPECT_EQ(paid == 3 * kRounds, noise == 1.0);
    EXPECT_GT(paid, 3);
    EXPECT_EQ(std::ssize(spending.ledger().lines()), paid);
  }
}

TEST_F(SpendingTest, cfg_budget_stop_TheRunEndsBeforeTheServerWouldPassTheTarget) {
  Json json = test::smallest_client_level();
  json["rounds"] = kRounds;
  json["partition"] = parse_json(R"({"kind": "iid", "clients": 3})", "partition");
  json["privacy"] = parse_json(R"({"unit": "client", "epsilon": 3, "delta": 1e-4})", "privacy");
  for (const double noise : {1.0, 0.7}) {
    SetUp();
    prepare(json, noise);
    experiment::Spending spending(experiment_, plan_, path_);
    spending.identify("run", "config");
    int64_t round = 0;
    while (round < kRounds && spending.affords_round()) spending.pay(round++, {0, 1, 2});
    EXPECT_EQ(round == kRounds, noise == 1.0);
    EXPECT_GT(round, 1);
    EXPECT_LE(*spending.client_epsilon(), kTarget);
  }
}

// The ledger alone then tells that nothing is guaranteed, at either level.
TEST_F(SpendingTest, StreamsOfRepeatableNoiseAreNamedSo) {
  for (const bool repeats : {false, true}) {
    SetUp();
    Json json = test::smallest_both();
    json["partition"] = parse_json(R"({"kind": "iid", "clients": 3})", "partition");
    if (repeats) json["privacy"]["client"]["insecure_seed"] = 7;
    if (repeats) json["privacy"]["example"]["insecure_seed"] = 7;
    prepare(json, 1.0);
    experiment::Spending spending(experiment_, plan_, path_);
    spending.identify("run", "config");
    spending.pay(0, {0, 1, 2});
    EXPECT_EQ(spending.ledger().lines().size(), 4U);
    for (const auto& line : spending.ledger().lines())
      EXPECT_EQ(experiment::is_insecure_stream(line.stream), repeats) << line.stream;
  }
}

}  // namespace
}  // namespace starling
