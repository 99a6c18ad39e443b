#include "starling/report/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/records.h"

namespace starling {
namespace {

using test::plain_record;
using test::private_record;
using test::seeded_record;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

RunRecord with_epsilon(double epsilon) {
  RunRecord record = private_record();
  record.privacy[0].epsilon = epsilon;
  record.experiment["privacy"]["epsilon"] = epsilon;
  return record;
}

TEST(Comparison, HasARowARunWithItsPrivacyInWords) {
  const auto text = comparison_text(
      {{"plain", plain_record()}, {"private", with_epsilon(7.991)}, {"seeded", seeded_record()}});
  EXPECT_THAT(text, ContainsRegex("plain +10/10 +96.60 % +0.1366 +NO DP GUARANTEE"));
  EXPECT_THAT(text, ContainsRegex("private +10/10 .* 8.00 at delta 1e-5 for examples"));
  EXPECT_THAT(text, ContainsRegex("seeded +10/10 .* INSECURE SEED: NO DP GUARANTEE"));
  EXPECT_THAT(text, HasSubstr("all of them together give NO DP GUARANTEE"));
}

TEST(Comparison, ListsTheSettingsThatDifferAndNoOthers) {
  RunRecord other = plain_record();
  other.experiment["local"]["epochs"] = 5;
  other.experiment["strategy"]["mu"] = 0.1;
  other.experiment["description"] = "other words";
  const auto text = comparison_text({{"a", plain_record()}, {"b", other}});
  EXPECT_THAT(text, ContainsRegex("/local/epochs +1 +5\n"));
  EXPECT_THAT(text, ContainsRegex("/strategy/mu +- +0.1\n"));
  for (const char* same : {"/rounds", "/local/batch_size", "description"})
    EXPECT_THAT(text, Not(HasSubstr(same)));
  EXPECT_THAT(comparison_text({{"a", plain_record()}, {"b", plain_record()}}),
              HasSubstr("The experiments are the same."));
}

// 0.90, 0.92 and 0.94 have mean 0.92 and sample standard deviation 0.02.
TEST(Comparison, AveragesRunsThatDifferInTheirSeedAlone) {
  std::vector<NamedRun> runs;
  for (int seed = 1; seed <= 3; ++seed) {
    RunRecord record = plain_record();
    record.experiment["seed"] = seed;
    record.rounds.back().accuracy = 0.88 + 0.02 * seed;
    runs.push_back({"s" + std::to_string(seed), record});
  }
  EXPECT_THAT(comparison_text(runs), HasSubstr("s1, s2, s3: test accuracy 92.00 \u00B1 2.00 %"));
  runs[2].record.experiment["rounds"] = 11;
  EXPECT_THAT(comparison_text(runs), HasSubstr("s1, s2: test accuracy 91.00 \u00B1 1.41 %"));
}

TEST(Comparison, WhatIsChosenAmongCostsAllOfIt) {
  const std::vector<NamedRun> runs = {{"a", with_epsilon(1.001)}, {"b", with_epsilon(2.001)}};
  EXPECT_THAT(comparison_text(runs), HasSubstr("at most epsilon 3.01 at delta 2e-5, the sum"));
  for (const auto change : {&PrivacyStatement::unit, &PrivacyStatement::relation}) {
    auto others = runs;
    others[1].record.privacy[0].*change = "another";
    EXPECT_THAT(comparison_text(others), Not(HasSubstr("the sum")));
  }
  auto vacuous = runs;
  for (auto& run : vacuous) run.record.privacy[0].delta = 0.6;
  EXPECT_THAT(comparison_text(vacuous), HasSubstr("together give NO DP GUARANTEE"));
}

}  // namespace
}  // namespace starling
