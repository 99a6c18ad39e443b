// What a run claims, from its ledger.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment/documents.h"
#include "experiment/statement.h"
#include "starling/report/report.h"
#include "starling/train/dp_optimizer.h"

namespace starling {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Json document() {
  Json json = test::smallest();
  json["rounds"] = 3;
  json["local"] = parse_json(R"({"epochs": 1, "batch_size": 16, "sampling": "poisson"})", "l");
  json["privacy"] = parse_json(R"({"unit": "example", "epsilon": 2, "delta": 1e-5})", "privacy");
  return json;
}

PrivacyLedger ledger_of(const FederationPlan& plan, int64_t rounds) {
  PrivacyLedger ledger;
  for (int64_t round = 0; round < rounds; ++round)
    for (const auto& client : plan.clients)
      ledger.record(ledger_entry(*client.privacy, client.steps, client.client, round));
  return ledger;
}

RunRecord record_of(const Json& json, int64_t rounds = 3,
                    const std::vector<int64_t>& sizes = {100, 500}) {
  const Experiment experiment = parse_experiment(json, "x.json");
  const auto plan = plan_federation(experiment, sizes, "x.json");
  const auto accountant = make_accountant(std::get<ExamplePrivacy>(experiment.privacy).accountant);
  RunRecord record;
  record.privacy = {
      experiment::state_example_privacy(experiment, plan, ledger_of(plan, rounds), *accountant)};
  return record;
}

TEST(Statement, GivesEpsilonItsErrorAndRdpSideBySide) {
  const auto statement = record_of(document()).privacy.at(0);
  ASSERT_TRUE(statement.error && statement.rdp_epsilon);
  EXPECT_LE(statement.epsilon, 2.0);
  EXPECT_GT(statement.epsilon, 1.9);
  EXPECT_TRUE(*statement.error >= 0 && *statement.error < 1e-3) << *statement.error;
  EXPECT_GE(*statement.rdp_epsilon, statement.epsilon - *statement.error);
  EXPECT_EQ(statement.ledger_lines, 6);
}

// The ledger decides, not the plan: a fourth round costs more than was planned.
TEST(Statement, CountsWhatTheLedgerHolds) {
  EXPECT_LT(record_of(document(), 2).privacy[0].epsilon, 2.0);
  EXPECT_GT(record_of(document(), 4).privacy[0].epsilon, 2.0);
}

TEST(Claim, NamesRelationAndAdversaryInWords) {
  const std::vector<std::pair<std::string, std::string>> adversaries = {
      {"server_and_models", "every upload of every client"},
      {"every_global_model", "the global model of every round, but no client's upload"},
      {"final_model", "the final model alone"}};
  for (const auto& [adversary, words] : adversaries) {
    Json json = document();
    json["privacy"]["adversary"] = adversary;
    EXPECT_THAT(privacy_claim(record_of(json)), HasSubstr(words));
  }
  EXPECT_THAT(privacy_claim(record_of(document())), HasSubstr("zero-out"));
  Json replace = document();
  replace["privacy"]["relation"] = "replace_one";
  EXPECT_THAT(privacy_claim(record_of(replace)), HasSubstr("replaced by any other"));
}

TEST(Claim, NeverHoldsUnderAnInsecureSeed) {
  Json json = document();
  json["privacy"]["insecure_seed"] = 1;
  const auto record = record_of(json);
  EXPECT_TRUE(privacy_claim(record).starts_with("INSECURE SEED: NO DP GUARANTEE"));
  EXPECT_THAT(report_html(record), HasSubstr("INSECURE SEED: NO DP GUARANTEE"));
}

TEST(Claim, cfg_delta_vs_n_IsSaidLoudlyWhereItIsTooLarge) {
  EXPECT_THAT(privacy_claim(record_of(document())), Not(HasSubstr("TOO LARGE")));
  Json json = document();
  json["privacy"]["delta"] = 0.002;
  const auto record = record_of(json);
  EXPECT_THAT(privacy_claim(record), HasSubstr("DELTA IS TOO LARGE"));
  EXPECT_THAT(report_text(record), HasSubstr("0.002 * 500 = 1"));
  EXPECT_THAT(report_html(record), HasSubstr("claim bad"));
}

}  // namespace
}  // namespace starling
