#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>

#include "cli/small_runs.h"
#include "starling/privacy/ledger.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using starling::testing::file_text;
using starling::testing::Folder;
using starling::testing::kPrivate;
using starling::testing::record_of;
using starling::testing::run_into;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Run, TwiceUnderAnInsecureSeedIsByteIdenticalAndSaysSo) {
  const Folder folder("insecure");
  const std::string seed = "--set /privacy/insecure_seed=7";
  const auto first = run_into(folder, kPrivate, "a", seed + " --threads 1");
  ASSERT_EQ(first.code, 0) << first.err;
  ASSERT_EQ(run_into(folder, kPrivate, "b", seed + " --threads 2").code, 0);
  for (const char* name : {"model.safetensors", "rounds.csv", "ledger.jsonl"})
    EXPECT_EQ(file_text(folder / ("a/" + std::string(name))),
              file_text(folder / ("b/" + std::string(name))))
        << name;
  const auto warning = first.out.find("INSECURE SEED: NO DP GUARANTEE");
  EXPECT_LT(warning, first.out.find("epsilon"));
  EXPECT_THAT(first.out.substr(first.out.find("Test accuracy")),
              HasSubstr("INSECURE SEED: NO DP GUARANTEE"));
  EXPECT_THAT(file_text(folder / "a/report.html"), HasSubstr("INSECURE SEED: NO DP GUARANTEE"));
}

TEST(Run, TwiceUnderPrivacyDiffersInItsNoiseAndOnlyInThat) {
  const Folder folder("secure");
  const auto first = run_into(folder, kPrivate, "a");
  ASSERT_EQ(first.code, 0) << first.err;
  ASSERT_EQ(run_into(folder, kPrivate, "b").code, 0);
  EXPECT_NE(file_text(folder / "a/model.safetensors"), file_text(folder / "b/model.safetensors"));
  EXPECT_EQ(file_text(folder / "a/experiment.json"), file_text(folder / "b/experiment.json"));
  const auto a = record_of(folder, "a"), b = record_of(folder, "b");
  EXPECT_EQ(a["privacy"][0]["epsilon"], b["privacy"][0]["epsilon"]);
  EXPECT_EQ(a["clients"], b["clients"]);
  const auto compared = testing::starling("report --compare '" + (folder / "a") + "' '" +
                                          (folder / "b/run.json") + "'");
  ASSERT_EQ(compared.code, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("The experiments are the same."));
  EXPECT_THAT(compared.out, HasSubstr("\na, b: test accuracy "));
  EXPECT_THAT(compared.out, HasSubstr("spent at most epsilon "));
}

TEST(Run, MeetsItsTargetAndTheLedgerAloneGivesTheSameEpsilon) {
  const Folder folder("target");
  ASSERT_EQ(run_into(folder, kPrivate, "a").code, 0);
  const double epsilon = record_of(folder, "a")["privacy"][0]["epsilon"].get<double>();
  EXPECT_LE(epsilon, 4.0);
  EXPECT_GT(epsilon, 3.9);
  const auto asked = testing::starling("privacy epsilon --ledger '" + (folder / "a/ledger.jsonl") +
                                       "' --delta 1e-4 --json");
  ASSERT_EQ(asked.code, 0) << asked.err;
  EXPECT_NEAR(parse_json(asked.out, "answer")["epsilon"].get<double>(), epsilon, 1e-9);
}

TEST(Run, RecordsOneLineAClientAndRoundWithItsPlannedSteps) {
  const Folder folder("lines");
  ASSERT_EQ(run_into(folder, kPrivate, "a").code, 0);
  const auto ledger = PrivacyLedger::read(folder / "a/ledger.jsonl");
  ASSERT_EQ(ledger.lines().size(), 4u * 3u);
  for (const auto& line : ledger.lines()) EXPECT_EQ(line.count, 4);  // ceil(100 / 32)
}

TEST(Run, CheckPredictsWhatTheRunSpends) {
  const Folder folder("predict");
  ASSERT_EQ(run_into(folder, kPrivate, "a").code, 0);
  const auto check = testing::starling("check '" + (folder / "experiment.json") + "'");
  ASSERT_EQ(check.code, 0) << check.err;
  const double epsilon = record_of(folder, "a")["privacy"][0]["epsilon"].get<double>();
  char digits[16];
  std::snprintf(digits, sizeof digits, "%.4f", std::ceil(epsilon * 1e4) / 1e4);
  EXPECT_THAT(check.out, HasSubstr(digits));
  EXPECT_THAT(check.out, HasSubstr("7850 trainable parameters"));
  EXPECT_THAT(check.out, Not(HasSubstr("WEAK")));
  EXPECT_THAT(
      testing::starling("check '" + (folder / "experiment.json") + "' --set /privacy/epsilon=20")
          .out,
      HasSubstr("EPSILON IS WEAK: above 10"));
}

TEST(Run, KeepsItsKeyOutsideTheFolderAndDeletesItAtTheEnd) {
  const Folder folder("key");
  const auto key = folder / "run.key";
  ASSERT_EQ(run_into(folder, kPrivate, "a", "--key-file '" + key + "'").code, 0);
  EXPECT_FALSE(fs::exists(key));
  EXPECT_FALSE(fs::exists(folder / "state"));
  ASSERT_EQ(run_into(folder, kPrivate, "b").code, 0);
  EXPECT_TRUE(fs::is_empty(folder / "state/starling/keys"));
  folder.write("taken.key", "x");
  const auto refused =
      run_into(folder, kPrivate, "c", "--key-file '" + (folder / "taken.key") + "'");
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(file_text(folder / "taken.key"), "x");
}

// A crash between the last file and the key's removal leaves the key.
TEST(Run, ResumingACompleteRunRemovesAKeyThatACrashLeft) {
  const Folder folder("left_key");
  ASSERT_EQ(run_into(folder, kPrivate, "a").code, 0);
  const std::string id = record_of(folder, "a")["id"].get<std::string>();
  const auto key = folder.write("state/starling/keys/" + id + ".key", "left");
  const auto other = folder.write("state/starling/keys/other.key", "of another run");
  const auto resume = [&] {
    return testing::starling("run --resume '" + (folder / "a") + "'",
                             "XDG_STATE_HOME='" + (folder / "state") + "'");
  };
  const auto outcome = resume();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("is complete; nothing is left to do"));
  EXPECT_FALSE(fs::exists(key));
  EXPECT_TRUE(fs::exists(other));

  const auto outside = folder.write("state/starling/outside.key", "x");
  auto record = record_of(folder, "a");
  record["id"] = "../outside";
  folder.write("a/run.json", record.dump());
  EXPECT_EQ(resume().code, 2);
  EXPECT_TRUE(fs::exists(outside));
}

TEST(Run, log_hygiene_PrivateMetricsStayOutOfEveryPublicFile) {
  const Folder folder("hygiene");
  ASSERT_EQ(run_into(folder, kPrivate, "a").code, 0);
  EXPECT_FALSE(fs::exists(folder / "a/training.csv"));
  EXPECT_FALSE(fs::exists(folder / "a/private.csv"));
  for (const char* name : {"log.txt", "rounds.csv", "run.json"})
    EXPECT_THAT(file_text(folder / ("a/" + std::string(name))), Not(HasSubstr("train_loss")))
        << name;
  ASSERT_EQ(run_into(folder, kPrivate, "b", "--set /privacy/reveal_private_metrics=true").code, 0);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "b/private.csv").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

// What only the data hold: a number, and how many of each class there are.
TEST(Run, log_hygiene_NothingOfTheDataIsInTheFolderOrOnTheScreen) {
  const Folder folder("canary");
  const auto set = folder.write("set.json", R"({"name": "set", "licence": "none", "format": "csv",
    "table": {"test_every": 4, "columns": [{"name": "x", "kind": "number", "mean": 50, "std": 25},
      {"name": "y", "kind": "label", "classes": [{"name": "low", "cells": ["lowcanary"]},
                                                 {"name": "high", "cells": ["highcanary"]}]}]},
    "train": {"table": "set.csv"}, "test": {"table": "set.csv"}})");
  std::string table;
  for (int x = 0; x < 400; ++x) table += x < 131 ? "77.13579,lowcanary\n" : "13.57977,highcanary\n";
  folder.write("set.csv", table);
  const auto outcome = run_into(folder, R"({"name": "t", "dataset": {"name": ")" + set + R"("},
    "partition": {"kind": "iid", "clients": 2}, "rounds": 2, "model": {"layers": [{"kind": "linear"}]},
    "privacy": {"unit": "example", "epsilon": 4, "delta": 1e-4}})",
                                "a");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::string everything = outcome.out + outcome.err;
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder / "a"))
    if (entry.is_regular_file()) everything += file_text(entry.path()), ++files;
  EXPECT_GT(files, 7);
  for (const char* canary : {"77.13579", "13.57977", "7713579", "lowcanary", "highcanary",
                             "train_loss", "label_count", "gradient_norm"})
    EXPECT_THAT(everything, Not(HasSubstr(canary)));
}

// A hash of the data that anyone can compute would tell which data it was.
TEST(Run, LedgerNamesItsConfigurationUnderTheSecretKey) {
  const Folder folder("config");
  const auto config = [&](const std::string& out, const std::string& more) {
    EXPECT_EQ(run_into(folder, kPrivate, out, "--set /rounds=1 " + more).code, 0);
    return PrivacyLedger::read(folder / (out + "/ledger.jsonl")).lines().at(0).config;
  };
  EXPECT_NE(config("a", ""), config("b", ""));
  EXPECT_EQ(config("c", "--set /privacy/insecure_seed=1"),
            config("d", "--set /privacy/insecure_seed=1"));
}

TEST(Run, UnderAddRemoveNoFileAndNoScreenTellsTheNumberOfExamples) {
  const Folder folder("sizes");
  const std::string more =
      "--set /privacy/relation=add_remove --set /local/sample_rate=0.1 --set /local/batch_size=10 "
      "--set /local/steps=5 --set /strategy/weights=uniform --set /dataset/train_limit=397";
  const auto outcome = run_into(folder, kPrivate, "a", more);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("a private number of examples"));
  Json record = record_of(folder, "a");
  EXPECT_TRUE(record["train_examples"].is_null());
  for (const auto& client : record["clients"]) EXPECT_TRUE(client["examples"].is_null());
  EXPECT_TRUE(record["privacy"][0]["largest_client"].is_null());
  const auto check = testing::starling("check '" + (folder / "experiment.json") + "' " + more);
  EXPECT_THAT(check.out, Not(HasSubstr("397")));
  EXPECT_THAT(check.out, HasSubstr("private training"));
}

TEST(Run, cfg_delta_vs_n_IsOnTheScreenInTheLogAndInTheReport) {
  const Folder folder("delta");
  const auto outcome = run_into(folder, kPrivate, "a", "--set /privacy/delta=0.02 --set /rounds=1");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("NOT below 1 / n"));
  EXPECT_THAT(outcome.out, HasSubstr("DELTA IS TOO LARGE"));
  EXPECT_THAT(file_text(folder / "a/log.txt"), HasSubstr("NOT below 1 / n"));
  EXPECT_THAT(file_text(folder / "a/report.html"), HasSubstr("DELTA IS TOO LARGE"));
}

TEST(Run, EndsWhenEveryClientReachedItsParticipations) {
  const Folder folder("participations");
  const auto outcome = run_into(folder, kPrivate, "a", "--set /participation/max_participations=2");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("max_participations"));
  const auto record = record_of(folder, "a");
  EXPECT_EQ(record["rounds"].size(), 2u);
  EXPECT_LE(record["privacy"][0]["epsilon"].get<double>(), 4.0);
}

TEST(Run, EverySamplingAndRelationThatIsAllowedRuns) {
  const Folder folder("sampling");
  int number = 0;
  for (const char* more :
       {"--set /local/sampling=shuffle", "--set /privacy/relation=replace_one",
        "--set /local/sampling=fixed --set /privacy/relation=replace_one --set "
        "/privacy/accountant=rdp",
        "--set /privacy/relation=add_remove --set /local/sample_rate=0.1 --set "
        "/local/batch_size=10 --set /local/steps=5 "
        "--set "
        "/strategy/weights=uniform",
        "--set /privacy/clipping=per_layer", "--set /privacy/clipping=automatic",
        "--set /privacy/noise=secure",
        "--set /local/optimizer/kind=adamw --set /local/optimizer/learning_rate=0.01",
        "--set '/local/schedule={\"kind\": \"cosine\"}'", "--set /compute/dtype=float64"}) {
    const auto out = std::to_string(number++);
    const auto outcome = run_into(folder, kPrivate, out, more);
    ASSERT_EQ(outcome.code, 0) << more << "\n" << outcome.err;
    const double epsilon = record_of(folder, out)["privacy"][0]["epsilon"].get<double>();
    EXPECT_TRUE(epsilon > 0 && epsilon <= 4.0) << more << " " << epsilon;
  }
}

}  // namespace
}  // namespace starling
