#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/privacy_program.h"
#include "starling/core/files.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/ledger.h"

namespace starling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class LedgerCliTest : public PrivacyCliTest {
 protected:
  static LedgerEntry entry(Unit unit, int64_t client, int64_t round, double noise) {
    LedgerEntry result;
    result.run = "r";
    result.unit = unit;
    result.client = client;
    result.round = round;
    result.relation = Relation::add_remove;
    result.event = Event{GaussianMechanism{noise}, PoissonSampling{0.1}, 1};
    result.count = 10;
    return result;
  }

  PrivacyLedger written(bool server = false) {
    PrivacyLedger ledger = PrivacyLedger::open(path("ledger.jsonl"));
    for (int64_t round = 0; round < 3; ++round) {
      ledger.record({entry(Unit::example, 0, round, 2.0), entry(Unit::example, 1, round, 1.5)});
      if (server) ledger.record(entry(Unit::client, -1, round, 4.0));
    }
    return ledger;
  }

  std::string head_text(const PrivacyLedger& ledger) {
    return std::to_string(ledger.head().lines) + ":" + ledger.head().hash;
  }
};

TEST_F(LedgerCliTest, EpsilonIsRecomputedFromTheLedgerAlone) {
  const PrivacyLedger ledger = written();
  const Json answer = json_of({"epsilon", "--ledger", path("ledger.jsonl"), "--delta", "1e-5"});
  const Json direct = json_of({"epsilon", "--sample-rate", "0.1", "--noise-multiplier", "1.5",
                               "--steps", "30", "--delta", "1e-5"});
  EXPECT_EQ(answer["epsilon"], direct["epsilon"]);
  EXPECT_EQ(answer["rdp"]["epsilon"], direct["rdp"]["epsilon"]);
  EXPECT_EQ(answer["ledger"]["lines"], 6);
  EXPECT_EQ(answer["ledger"]["hash"], ledger.head().hash);
  EXPECT_EQ(answer["levels"].size(), 1u);
  EXPECT_THAT(output_of({"epsilon", "--ledger", path("ledger.jsonl")}),
              AllOf(HasSubstr("hash chain whole"), HasSubstr("largest of 2 clients"),
                    HasSubstr("client 1")));
}

TEST_F(LedgerCliTest, BothLevelsAreReportedApart) {
  written(true);
  const Json answer = json_of({"epsilon", "--ledger", path("ledger.jsonl")});
  ASSERT_EQ(answer["levels"].size(), 2u);
  EXPECT_EQ(answer["levels"][0]["unit"], "example");
  EXPECT_EQ(answer["levels"][1]["unit"], "client");
  EXPECT_LT(answer["levels"][1]["epsilon"].get<double>(),
            answer["levels"][0]["epsilon"].get<double>());
}

TEST_F(LedgerCliTest, OverlapCountsEveryClientOfOnePerson) {
  written();
  const Json answer = json_of({"epsilon", "--ledger", path("ledger.jsonl"), "--overlap", "2"});
  ASSERT_EQ(answer["levels"].size(), 2u);
  EXPECT_GT(answer["levels"][1]["epsilon"].get<double>(),
            answer["levels"][0]["epsilon"].get<double>());
}

TEST_F(LedgerCliTest, DeltaIsThatOfTheExperimentBesideTheLedger) {
  written();
  const Words words{"epsilon", "--ledger", path("ledger.jsonl")};
  EXPECT_EQ(json_of(words)["delta"].get<double>(), 1e-5);
  write_file_atomically(path("experiment.json"), R"({"privacy": {"delta": 1e-07}})");
  EXPECT_EQ(json_of(words)["delta"].get<double>(), 1e-7);
  EXPECT_EQ(json_of(with(words, {"--delta", "1e-3"}))["delta"].get<double>(), 1e-3);
}

TEST_F(LedgerCliTest, EachLevelHasTheDeltaThatTheRunStates) {
  written(true);
  write_file_atomically(path("experiment.json"), R"({"privacy": {"unit": "both"}})");
  write_file_atomically(path("run.json"), R"({"privacy": [{"unit": "example", "delta": 1e-6},
                                                          {"unit": "client", "delta": 1e-3}]})");
  const Json answer = json_of({"epsilon", "--ledger", folder_});
  ASSERT_EQ(answer["levels"].size(), 2u);
  EXPECT_EQ(answer["levels"][0]["delta"].get<double>(), 1e-6);
  EXPECT_EQ(answer["levels"][1]["delta"].get<double>(), 1e-3);
  const Json client = json_of({"epsilon", "--ledger", folder_, "--delta", "1e-3"})["levels"][1];
  EXPECT_EQ(answer["levels"][1], client);
}

TEST_F(LedgerCliTest, NoiseThatASeedRepeatsIsNoGuarantee) {
  LedgerEntry repeated = entry(Unit::example, 0, 0, 2.0);
  repeated.stream = "insecure_seed/noise/0/0";
  written().record(repeated);
  const std::string warning = "INSECURE SEED: NO DP GUARANTEE";
  EXPECT_THAT(output_of({"epsilon", "--ledger", folder_}), HasSubstr(warning));
  EXPECT_THAT(output_of({"explain", "--ledger", folder_}), HasSubstr(warning));
  for (const char* question : {"epsilon", "explain"})
    EXPECT_EQ(json_of({question, "--ledger", folder_})["guarantee"], "insecure_seed") << question;
}

TEST_F(LedgerCliTest, ADeltaThatLetsSingleExamplesBePublishedIsNamed) {
  written();
  write_file_atomically(
      path("run.json"),
      R"({"privacy": [{"unit": "example", "delta": 0.01, "largest_client": 100}]})");
  EXPECT_THAT(output_of({"epsilon", "--ledger", folder_}),
              HasSubstr("DELTA IS TOO LARGE: 0.01 is not below 1 / n for 100 examples"));
  EXPECT_THAT(output_of({"epsilon", "--ledger", folder_, "--delta", "0.009"}),
              Not(HasSubstr("DELTA")));
}

TEST_F(LedgerCliTest, ARunWithoutPrivacyHasNoLedgerAndNoGuarantee) {
  write_file_atomically(path("experiment.json"), R"({"privacy": {"unit": "none"}})");
  EXPECT_THAT(error_of({"epsilon", "--ledger", folder_}), HasSubstr("NO DP GUARANTEE"));
}

TEST_F(LedgerCliTest, TamperedAndTruncatedLedgersAreRefusedByLine) {
  const PrivacyLedger ledger = written();
  std::string text = read_file(path("ledger.jsonl"));
  std::string tampered = text;
  tampered.replace(tampered.find("\"count\":10,\"stream\""), 10, "\"count\":01");
  write_file_atomically(path("tampered.jsonl"), tampered);
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("tampered.jsonl")}),
              HasSubstr("tampered.jsonl: line 1: was changed"));
  text.erase(text.rfind('\n', text.size() - 2) + 1);
  write_file_atomically(path("short.jsonl"), text);
  EXPECT_EQ(error_of({"epsilon", "--ledger", path("short.jsonl")}), "accepted");
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("short.jsonl"), "--head", head_text(ledger)}),
              HasSubstr("the end was cut off"));
  EXPECT_EQ(error_of({"epsilon", "--ledger", path("ledger.jsonl"), "--head", head_text(ledger)}),
            "accepted");
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("ledger.jsonl"), "--head", "6"}),
              HasSubstr("LINES:HASH"));
}

TEST_F(LedgerCliTest, ARunFolderIsCheckedAgainstTheHeadOfItsRecord) {
  const PrivacyLedger ledger = written();
  const Json statement{{"ledger_lines", ledger.head().lines}, {"ledger_head", ledger.head().hash}};
  write_file_atomically(path("run.json"), Json{{"privacy", Json::array({statement})}}.dump());
  EXPECT_THAT(output_of({"epsilon", "--ledger", folder_}), HasSubstr("run.json beside it"));
  std::string text = read_file(path("ledger.jsonl"));
  text.erase(text.rfind('\n', text.size() - 2) + 1);
  write_file_atomically(path("ledger.jsonl"), text);
  EXPECT_THAT(error_of({"epsilon", "--ledger", folder_}), HasSubstr("the end was cut off"));
}

TEST_F(LedgerCliTest, EmptyAndAbsentLedgersAreInputErrors) {
  write_file_atomically(path("empty.jsonl"), "");
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("empty.jsonl")}), HasSubstr("no release"));
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("none.jsonl")}), HasSubstr("none.jsonl"));
}

TEST_F(LedgerCliTest, CurveFollowsTheRounds) {
  written();
  const Json curve = json_of({"curve", "--ledger", path("ledger.jsonl"), "--delta", "1e-5"});
  ASSERT_EQ(curve["points"].size(), 3u);
  EXPECT_EQ(curve["points"][2]["rounds"], 3);
  EXPECT_EQ(curve["points"][2]["epsilon"],
            json_of({"epsilon", "--ledger", path("ledger.jsonl"), "--delta", "1e-5"})["epsilon"]);
  EXPECT_LT(curve["points"][0]["epsilon"].get<double>(),
            curve["points"][1]["epsilon"].get<double>());
}

TEST_F(LedgerCliTest, ExplainGathersTheLines) {
  written(true);
  EXPECT_THAT(output_of({"explain", "--ledger", path("ledger.jsonl")}),
              AllOf(HasSubstr("noise multiplier 1.5"),
                    HasSubstr("6 ledger lines at example level under add_remove: 2 clients, "
                              "rounds 0 to 2\n  2 kinds of Gaussian noise (noise multiplier 1.5 to "
                              "2) on Poisson samples (rate 0.1), 60 times in all"),
                    HasSubstr("3 ledger lines at client level under add_remove: the server, "
                              "rounds 0 to 2")));
}

TEST_F(LedgerCliTest, SeveralExamplesAtOneClientAreBoundedAsAGroup) {
  written();
  const Words words{"epsilon", "--ledger", path("ledger.jsonl"), "--overlap-examples", "2"};
  const Json answer = json_of(words);
  ASSERT_EQ(answer["levels"].size(), 2u);
  EXPECT_THAT(answer["levels"][1]["detail"].get<std::string>(), HasSubstr("group of 2"));
  EXPECT_GT(answer["levels"][1]["epsilon"].get<double>(),
            answer["levels"][0]["epsilon"].get<double>());
  EXPECT_THAT(output_of(words), HasSubstr("a person with up to 2 examples at each of up to 1"));
}

}  // namespace
}  // namespace starling
