#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "cli/small_runs.h"
#include "starling/core/safetensors.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using starling::testing::file_text;
using starling::testing::Folder;
using starling::testing::kPlain;
using starling::testing::kPrivate;
using starling::testing::record_of;
using starling::testing::run_into;
using ::testing::HasSubstr;
using ::testing::Not;

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

TEST(Run, PoissonParticipationMayLeaveARoundEmpty) {
  const Folder folder("poisson");
  const auto outcome = run_into(folder, kPrivate, "a",
                                R"(--set '/participation={"kind": "poisson", "rate": 0.05}')");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(record_of(folder, "a")["rounds"].size(), 3u);
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
