// Private standardisation of a table's columns in a whole run: one release a client, in the plan,
// on the disk before it is drawn, and the same after a resume.

#include "experiment/standardize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "experiment/documents.h"
#include "experiment/spending.h"
#include "starling/core/files.h"
#include "starling/experiment/distill.h"
#include "starling/experiment/experiment.h"
#include "starling/privacy/compose.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::HasSubstr;

constexpr double kEpsilon = 2.0, kDelta = 1e-4;
constexpr double kNoise = 4.0;
constexpr int64_t kRecords = 4000, kClients = 3;
constexpr double kHeightMean = 170.0, kHeightDeviation = 10.0;
constexpr double kWeightMean = 70.0, kWeightDeviation = 12.0;

struct CutOff {};

// Tall people are positive; every tenth weight is not known.
std::string table_text() {
  std::mt19937_64 random(5);
  std::normal_distribution<double> height(kHeightMean, kHeightDeviation);
  std::normal_distribution<double> weight(kWeightMean, kWeightDeviation);
  std::string text = "height,weight,tall\n";
  for (int64_t i = 0; i < kRecords; ++i) {
    const double tall = height(random);
    const std::string kilograms = i % 10 == 3 ? "?" : std::to_string(weight(random));
    text += std::to_string(tall) + "," + kilograms + "," + (tall > 172.0 ? "y" : "n") + "\n";
  }
  return text;
}

std::string description(const std::string& bounds = R"("bounds": [120, 220], )") {
  return R"({"name": "people", "licence": "none", "format": "csv",
    "table": {"header": true, "missing": ["?"], "test_every": 5, "columns": [
      {"name": "height", "kind": "number", )" +
         bounds + R"("mean": 0},
      {"name": "weight", "kind": "number", "bounds": [20, 150], "missing": "mean"},
      {"name": "tall", "kind": "label",
       "classes": [{"name": "no", "cells": ["n"]}, {"name": "yes", "cells": ["y"]}]}]},
    "train": {"table": "people.csv"}, "test": {"table": "people.csv"}})";
}

class Standardize : public ::testing::Test {
 protected:
  Standardize() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write_file_atomically(path("people.csv"), table_text());
    write_file_atomically(path("people.json"), description());
  }
  ~Standardize() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  Json document(const std::string& relation = "zero_out") const {
    Json json = parse_json(R"({
      "name": "people", "rounds": 3, "partition": {"kind": "iid", "clients": 3},
      "model": {"layers": [{"kind": "linear"}]},
      "local": {"steps": 5, "batch_size": 100, "sampling": "poisson", "sample_rate": 0.1,
                "optimizer": {"kind": "sgd", "learning_rate": 1.0}},
      "strategy": {"weights": "uniform"},
      "privacy": {"unit": "example", "epsilon": 2, "delta": 1e-4, "insecure_seed": 1}})",
                           "document");
    json["dataset"] = {{"name", path("people.json")},
                       {"standardization", {{"kind", "private"}, {"noise_multiplier", kNoise}}}};
    json["privacy"]["relation"] = relation;
    return json;
  }
  Experiment experiment(const std::string& relation = "zero_out") const {
    return parse_experiment(document(relation), "test");
  }
  RunOptions options(const std::string& out = "") const {
    RunOptions options;
    options.source = "test";
    options.data_folder = folder_.string();
    if (!out.empty()) options.out = path(out);
    options.workers = 1;
    return options;
  }
  std::map<int64_t, LedgerEntry> paid(const Federation& federation) const {
    std::map<int64_t, LedgerEntry> lines;
    for (const auto& client : federation.plan.clients)
      lines[client.client] =
          experiment::standardization_entry(federation.plan, client.client, "run", "config");
    return lines;
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("starling-standardize-" + std::to_string(getpid()));
};

TEST_F(Standardize, TestAndTrainingExamplesComeToMeanZeroAndDeviationOne) {
  Federation federation = set_up(experiment(), options());
  const auto columns =
      experiment::standardize(federation, paid(federation), RandomKey::from_seed(2));
  ASSERT_EQ(columns.size(), 2u);
  EXPECT_EQ(columns[0].name, "height");
  EXPECT_NEAR(columns[0].mean, kHeightMean, 2.0);
  EXPECT_NEAR(columns[0].std, kHeightDeviation, 2.5);
  EXPECT_NEAR(columns[1].mean, kWeightMean, 2.0);
  for (const Examples& examples : {federation.clients[1], federation.test}) {
    EXPECT_TRUE(examples.features.isfinite().all().item<bool>()) << "missing numbers are the mean";
    EXPECT_LT(examples.features.mean(0).abs().max().item<double>(), 0.2);
    EXPECT_NEAR(examples.features.select(1, 0).std().item<double>(), 1.0, 0.3);
  }
}

TEST_F(Standardize, ReleasesNothingThatTheLedgerDoesNotCount) {
  Federation federation = set_up(experiment(), options());
  const auto key = RandomKey::from_seed(2);
  const auto refused = [&](const std::map<int64_t, LedgerEntry>& lines) {
    EXPECT_THROW(experiment::standardize(federation, lines, key), Error);
  };
  refused({});
  auto lines = paid(federation);
  lines.erase(2);
  refused(lines);
  lines = paid(federation);
  lines[1].event = {GaussianMechanism{2 * kNoise}};
  refused(lines);
  lines = paid(federation);
  lines[1].count = 0;
  refused(lines);
  lines = paid(federation);
  lines[1].relation = Relation::add_remove;
  refused(lines);
  EXPECT_TRUE(federation.clients[0].features.select(1, 1).isnan().any().item<bool>())
      << "nothing was standardised";
}

TEST_F(Standardize, TheSameKeyGivesTheSameReleaseAndClientsHaveTheirOwnNoise) {
  const auto columns = [&](uint64_t seed) {
    Federation federation = set_up(experiment(), options());
    return experiment::standardize(federation, paid(federation), RandomKey::from_seed(seed));
  };
  EXPECT_EQ(columns(2), columns(2));
  EXPECT_NE(columns(2), columns(3));
}

// One budget: training has the noise that is left to it, and together they reach the target.
TEST_F(Standardize, PlanCountsTheReleaseInTheTarget) {
  for (const char* relation : {"zero_out", "add_remove", "replace_one"}) {
    const auto plan = set_up(experiment(relation), options()).plan;
    Json json = document(relation);
    json["dataset"].erase("standardization");
    const auto without = set_up(parse_experiment(json, "test"), options()).plan;
    ASSERT_TRUE(plan.standardization);
    EXPECT_EQ(plan.standardization->relation,
              example_level(experiment(relation).privacy)->relation);
    const auto exact = make_accountant("exact");
    for (const auto& client : plan.clients) {
      const double noise = client.privacy->noise_multiplier;
      EXPECT_GT(noise, 1.02 * without.clients[0].privacy->noise_multiplier) << relation;
      const std::vector<Event> events = {
          {GaussianMechanism{kNoise}},
          {GaussianMechanism{noise}, PoissonSampling{0.1}, client.steps * client.rounds}};
      const double by_hand = exact->epsilon(events, plan.standardization->relation, kDelta).epsilon;
      EXPECT_NEAR(client.epsilon, by_hand, 1e-6);
      EXPECT_LE(by_hand, kEpsilon);
      EXPECT_GT(by_hand, 0.999 * kEpsilon);
    }
  }
}

TEST_F(Standardize, ATargetThatTheReleaseAlonePassesIsRefused) {
  Json json = document();
  json["dataset"]["standardization"]["noise_multiplier"] = 0.5;
  EXPECT_NE(error_of([&] { set_up(parse_experiment(json, "test"), options()); }), "");
}

TEST_F(Standardize, LedgerAloneGivesTheEpsilonOfTheReport) {
  const RunRecord record = run(experiment(), options("run")).record;
  const auto ledger = PrivacyLedger::read(path("run/ledger.jsonl"));
  ASSERT_EQ(std::ssize(ledger.lines()), kClients * (1 + 3));
  for (int64_t client = 0; client < kClients; ++client) {
    const auto& line = ledger.lines()[static_cast<size_t>(client)];
    EXPECT_EQ(line.client, client);
    EXPECT_EQ(line.stream, "insecure_seed/standardization/" + std::to_string(client));
    EXPECT_EQ(std::get<GaussianMechanism>(line.event.mechanism).noise_multiplier, kNoise);
    EXPECT_TRUE(std::holds_alternative<NoSampling>(line.event.sampling));
    EXPECT_EQ(line.count, 1);
  }
  const auto spent = federation_privacy(ledger, *make_accountant("exact"), kDelta);
  EXPECT_EQ(record.privacy.front().epsilon, spent.example_largest->bound.epsilon);
  EXPECT_EQ(record.rounds.back().epsilon, record.privacy.front().epsilon);
  EXPECT_LE(record.privacy.front().epsilon, kEpsilon);
  EXPECT_EQ(record.columns.size(), 2u);
  EXPECT_EQ(read_record(path("run")).columns, record.columns);
  EXPECT_GT(*record.rounds.back().accuracy, 0.9);
}

// x and x^2 of two columns and the number of known values of one: 5 numbers of 8 bytes a client.
TEST_F(Standardize, BytesOfTheReleaseAreCounted) {
  const RunRecord record = run(experiment(), options("run")).record;
  EXPECT_THAT(read_file(path("run/communication.csv")), HasSubstr("\n0,3,3,0,96,120,0\n1,"));
  const int64_t rounds = 3 * kClients * 6 * static_cast<int64_t>(sizeof(float));
  EXPECT_EQ(record.bytes_up, 120 + rounds);
  EXPECT_EQ(record.bytes_down, 96 + rounds);
}

// Cut off when the first checkpoint was on the disk, and after a round.
TEST_F(Standardize, AResumedRunDrawsNoSecondRelease) {
  const RunRecord whole = run(experiment(), options("whole")).record;
  for (const int64_t round : {0, 2}) {
    const std::string out = "cut" + std::to_string(round);
    RunOptions cut = options(out);
    if (round == 0) cut.on_start = [](const RunRecord&, const std::string&) { throw CutOff(); };
    cut.on_round = [&](const RoundProgress& progress) {
      if (progress.round.round == round) throw CutOff();
    };
    EXPECT_THROW(run(experiment(), cut), CutOff);
    cut.on_start = nullptr;
    cut.on_round = nullptr;
    cut.resume = true;
    EXPECT_EQ(run(experiment(), cut).record.columns, whole.columns);
    for (const char* file :
         {"model.safetensors", "rounds.csv", "ledger.jsonl", "communication.csv"})
      EXPECT_TRUE(read_file(path("whole/" + std::string(file))) ==
                  read_file(path(out + "/" + file)))
          << file;
  }
}

// Its examples are scaled by what was released: private ones of another scale could pass for
// public.
TEST_F(Standardize, SuchARunIsNoTeacher) {
  run(experiment(), options("run"));
  DistillOptions distillation;
  distillation.teacher = path("run");
  distillation.student = path("student.json");
  distillation.data_folder = folder_.string();
  EXPECT_THAT(error_of([&] { distill(distillation); }), HasSubstr("standardised its columns"));
}

TEST_F(Standardize, ColumnsWithoutBoundsAreRefusedByName) {
  write_file_atomically(path("people.json"), description(""));
  EXPECT_THAT(error_of([&] { set_up(experiment(), options()); }),
              AllOf(HasSubstr("\"height\""), HasSubstr("bounds")));
}

TEST_F(Standardize, UnitsWhoseSensitivityNothingBoundsAreRefusedByName) {
  for (Json json : {test::smallest(), test::smallest_client_level(), test::smallest_both()}) {
    json["dataset"]["standardization"] = {{"kind", "private"}};
    EXPECT_THAT(
        error_of([&] { parse_experiment(json, "x.json"); }),
        AllOf(HasSubstr("x.json: /dataset/standardization/kind"), HasSubstr("\"example\"")));
  }
  Json images = test::smallest_private();
  images["dataset"]["standardization"] = {{"kind", "private"}};
  EXPECT_THAT(error_of([&] { set_up(parse_experiment(images, "x.json"), options()); }),
              HasSubstr("is no table"));
}

}  // namespace
}  // namespace starling
