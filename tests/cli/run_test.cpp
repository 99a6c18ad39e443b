#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>

#include "cli/program.h"
#include "starling/core/json.h"
#include "starling/core/safetensors.h"
#include "starling/privacy/ledger.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using starling::testing::file_text;
using starling::testing::Folder;
using starling::testing::Outcome;
using starling::testing::run_into;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPlain[] = R"({
  "name": "plain",
  "dataset": {"name": "digits", "train_limit": 400, "test_limit": 100},
  "partition": {"kind": "dirichlet", "clients": 4, "alpha": 1.0},
  "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 16},
                       {"kind": "relu"}, {"kind": "dropout", "p": 0.2},
                       {"kind": "linear", "out_features": 10}]},
  "rounds": 3,
  "participation": {"kind": "fraction", "fraction": 0.5}
})";

constexpr char kPrivate[] = R"({
  "name": "private",
  "dataset": {"name": "digits", "train_limit": 400, "test_limit": 100},
  "partition": {"kind": "iid", "clients": 4},
  "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 10}]},
  "rounds": 3,
  "privacy": {"unit": "example", "epsilon": 4, "delta": 1e-4}
})";

Json record_of(const Folder& folder, const std::string& out) {
  return read_json(folder / (out + "/run.json"));
}

TEST(Run, WritesTheWholeFolderAndSaysWhereItIs) {
  const Folder folder("whole");
  const auto outcome = run_into(folder, kPlain, "a");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* name : {"experiment.json", "rounds.csv", "timings.csv", "run.json",
                           "model.safetensors", "log.txt", "report.html", "training.csv"})
    EXPECT_TRUE(fs::exists(folder / ("a/" + std::string(name)))) << name;
  EXPECT_FALSE(fs::exists(folder / "a/ledger.jsonl"));
  EXPECT_THAT(outcome.out, HasSubstr("round 3/3"));
  EXPECT_THAT(outcome.out, HasSubstr("NO DP GUARANTEE"));
  EXPECT_THAT(outcome.out, HasSubstr("a/report.html"));
  EXPECT_THAT(file_text(folder / "a/report.html"), HasSubstr("NO DP GUARANTEE"));
  EXPECT_EQ(outcome.err, "");
}

TEST(Run, ResolvedExperimentRunsAgainToTheSameBytes) {
  const Folder folder("resolved");
  ASSERT_EQ(run_into(folder, kPlain, "a").code, 0);
  const auto again = testing::starling("run '" + (folder / "a/experiment.json") +
                                       "' --quiet --out '" + (folder / "b") + "'");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, "");
  EXPECT_EQ(file_text(folder / "a/model.safetensors"), file_text(folder / "b/model.safetensors"));
}

TEST(Run, determinism_matrix_TwiceWithoutPrivacyOnAnyNumberOfThreads) {
  const Folder folder("twice");
  ASSERT_EQ(run_into(folder, kPlain, "a", "--threads 1").code, 0);
  ASSERT_EQ(run_into(folder, kPlain, "b", "--threads 2").code, 0);
  for (const char* name : {"model.safetensors", "rounds.csv", "experiment.json"})
    EXPECT_EQ(file_text(folder / ("a/" + std::string(name))),
              file_text(folder / ("b/" + std::string(name))))
        << name;
}

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
  EXPECT_THAT(first.out, HasSubstr("INSECURE SEED: NO DP GUARANTEE"));
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

TEST(Run, EvaluatesEachClientWhenAskedAndPrivatelyUnderPrivacy) {
  const Folder folder("per_client");
  ASSERT_EQ(run_into(folder, kPlain, "a", "--set /evaluation/per_client=true").code, 0);
  const auto table = file_text(folder / "a/clients.csv");
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1 + 3 * 4);
  const auto refused = run_into(folder, kPrivate, "b", "--set /evaluation/per_client=true");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("/evaluation/per_client"));
  ASSERT_EQ(run_into(folder, kPrivate, "c",
                     "--set /evaluation/per_client=true --set /privacy/reveal_private_metrics=true")
                .code,
            0);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "c/private_clients.csv").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_FALSE(fs::exists(folder / "c/clients.csv"));
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

TEST(Run, PoissonParticipationMayLeaveARoundEmpty) {
  const Folder folder("poisson");
  const auto outcome = run_into(folder, kPrivate, "a",
                                R"(--set '/participation={"kind": "poisson", "rate": 0.05}')");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(record_of(folder, "a")["rounds"].size(), 3u);
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

TEST(Run, RefusesWrongInputWithOneLineAndExitCodeTwo) {
  const Folder folder("wrong");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--set /privacy/nosie_multiplier=1", "noise_multiplier"},
      {"--set /privacy/epsilon=0", "/privacy/epsilon"},
      {"--set /privacy/noise_multiplier=1", "epsilon"},
      {"--set /local/batch_size=0", "/local/batch_size"},
      {"--set /rounds=-1", "/rounds"},
      {"--set /privacy/unit=client", "client"},
      {"--set /model/file=absent.json --set /model/layers=null", "absent.json"},
      {"--set /dataset/name=mnits", "mnist"},
      {"--set /partition/clients=0", "/partition/clients"},
      {"--set '/partition={\"kind\": \"shards\", \"clients\": 500}'", ".json: /partition/"},
      {R"(--set '/model/layers=[{"kind": "linera", "out_features": 10}]')", "linear"},
      {R"(--set '/model/layers=[{"kind": "conv2d", "out_channels": 4, "kernel_size": 3, "in_channels": 7}]')",
       "layers/0"},
      {R"(--set '/model/layers=[{"kind": "conv2d", "out_channels": 4, "kernel_size": 3}, {"kind": "batch_norm2d"}, {"kind": "flatten"}, {"kind": "linear", "out_features": 10}]')",
       "group_norm"},
      {"--set /model/replace_batch_norm=1", "/model/replace_batch_norm"},
      {"--set /model/freeze='[\"9\"]'", "/model/freeze"},
      {"--frobnicate", "frobnicate"},
  };
  for (const auto& [more, expected] : cases) {
    const auto outcome = run_into(folder, kPrivate, "never", more);
    EXPECT_EQ(outcome.code, 2) << more << "\n" << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(expected)) << more;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_FALSE(fs::exists(folder / "never")) << more;
  }
}

TEST(Check, ProbesTheModelWhenAsked) {
  const Folder folder("probe");
  const auto file = folder.write("experiment.json", kPrivate);
  const auto outcome = testing::starling("check --probe '" + file + "'");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("no example touches another"));
}

TEST(Check, ComparesGradientsWithCentralDifferencesWhenAsked) {
  const Folder folder("gradients");
  const auto file = folder.write("experiment.json", kPrivate);
  const auto outcome = testing::starling("check --gradients '" + file + "'");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("derivatives agree with central differences"));
}

TEST(Run, ReplacesBatchNormWhenAsked) {
  const Folder folder("replace");
  const std::string layers =
      R"(--set '/model/layers=[{"kind": "conv2d", "out_channels": 6, "kernel_size": 5},
                               {"kind": "batch_norm2d", "momentum": 0.2}, {"kind": "flatten"},
                               {"kind": "linear", "out_features": 10}]' )";
  const auto outcome = run_into(folder, kPrivate, "a",
                                layers + "--set /model/replace_batch_norm=true --set /rounds=1");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(file_text(folder / "a/experiment.json"), HasSubstr("group_norm"));
  EXPECT_THAT(file_text(folder / "a/model.safetensors"), Not(HasSubstr("running_mean")));
}

TEST(Run, RefusesAFolderThatHoldsFiles) {
  const Folder folder("occupied");
  fs::create_directories(folder / "a");
  folder.write("a/precious", "x");
  EXPECT_EQ(run_into(folder, kPlain, "a").code, 2);
  EXPECT_EQ(file_text(folder / "a/precious"), "x");
}

TEST(Run, FineTunesFromAnEarlierModelWithFrozenLayers) {
  const Folder folder("fine");
  ASSERT_EQ(run_into(folder, kPlain, "a").code, 0);
  const auto outcome =
      run_into(folder, kPlain, "b",
               "--set /model/initial=a/model.safetensors --set '/model/freeze=[\"1\"]'");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto first = file_text(folder / "a/model.safetensors");
  const auto second = file_text(folder / "b/model.safetensors");
  EXPECT_NE(first, second);
  const auto tensor = [](const std::string& bytes, const std::string& name) {
    for (const auto& view : parse_safetensors(bytes, name).tensors)
      if (view.name == name) return std::string(view.bytes);
    return std::string("absent");
  };
  EXPECT_EQ(tensor(first, "1.weight"), tensor(second, "1.weight"));
  EXPECT_NE(tensor(first, "4.weight"), tensor(second, "4.weight"));
}

TEST(Program, ExplainsItself) {
  EXPECT_EQ(testing::starling("").code, 2);
  EXPECT_EQ(testing::starling("--help").code, 0);
  EXPECT_THAT(testing::starling("--version").out, HasSubstr("starling "));
  for (const char* command : {"run", "check", "privacy", "report", "data"}) {
    const auto outcome = testing::starling(std::string(command) + " --help");
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr("starling " + std::string(command)));
  }
  const auto outcome = testing::starling("rnu x.json");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean \"run\""));
}

// The real data, where they are.
TEST(Run, LongTrainsOnFashionMnist) {
  const char* data = std::getenv("STARLING_DATA");
  if (data == nullptr) GTEST_SKIP() << "STARLING_DATA is not set";
  const Folder folder("fashion");
  const auto outcome = testing::starling(std::string("run '") + STARLING_SOURCE_DIR +
                                         "/experiments/fashion_mnist_dp.json' --set /rounds=2 "
                                         "--set /dataset/train_limit=6000 --out '" +
                                         (folder / "a") + "'");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_GT(record_of(folder, "a")["rounds"][1]["accuracy"].get<double>(), 0.3);
}

// A table of one's own with two classes that x divides.
TEST(Run, ATableOfTwoClassesShowsAucAndF1) {
  const Folder folder("table");
  const auto set = folder.write("set.json", R"({"name": "set", "licence": "none", "format": "csv",
    "table": {"test_every": 4, "columns": [{"name": "x", "kind": "number", "mean": 50, "std": 25},
      {"name": "y", "kind": "label", "classes": [{"name": "low", "cells": ["l"]},
                                                 {"name": "high", "cells": ["h"]}]}]},
    "train": {"table": "set.csv"}, "test": {"table": "set.csv"}})");
  std::string table;
  for (int x = 0; x < 100; ++x) table += std::to_string(x) + (x < 50 ? ",l\n" : ",h\n");
  folder.write("set.csv", table);
  const auto outcome = run_into(folder, R"({"name": "t", "dataset": {"name": ")" + set + R"("},
    "partition": {"kind": "iid", "clients": 2}, "rounds": 5,
    "model": {"layers": [{"kind": "linear"}]}})",
                                "a");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("AUC 1.0000  F1 "));
  const Json last = record_of(folder, "a")["rounds"].back();
  EXPECT_EQ(last["auc"], 1.0);
  EXPECT_GT(last["f1"].get<double>(), 0.8);
  folder.write("set.csv", table + "1e400,h\n");
  const auto refused = run_into(folder, R"({"name": "t", "dataset": {"name": ")" + set + R"("},
    "model": {"layers": [{"kind": "linear"}]}})",
                                "b");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("set.csv:101:1: "));
}

}  // namespace
}  // namespace starling
