// One run on several ranks, as mpirun starts them: the bytes of one process, whatever ends a rank.

#include <dirent.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "reliability/runs.h"

namespace starling::reliability {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

// Clients of different sizes, and a random layer.
constexpr char kExperiment[] = R"({
  "name": "shared",
  "dataset": {"name": "digits", "train_limit": 300, "test_limit": 60},
  "partition": {"kind": "dirichlet", "clients": 7, "alpha": 1.0},
  "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 8},
                       {"kind": "relu"}, {"kind": "dropout", "p": 0.2},
                       {"kind": "linear", "out_features": 10}]},
  "rounds": 3,
  "participation": {"kind": "fraction", "fraction": 0.7}
})";

const Words kPrivate = {
    "--set",
    R"(/privacy={"unit": "example", "noise_multiplier": 1, "delta": 1e-4, "insecure_seed": 3})"};
constexpr char kDistillation[] = R"(", "distillation": {"public_examples": 40, "epochs": 1}})";
// Three architectures, the last clients with the server's; evaluated on their own examples too.
const Words kDevices = {"--set",
                        R"(/devices=[
      {"clients": 2, "model": {"layers": [{"kind": "flatten"}, {"kind": "linear"}]}},
      {"clients": 3, "model": {"layers": [{"kind": "avg_pool2d", "kernel_size": 4},
                                          {"kind": "flatten"}, {"kind": "linear"}]}}])",
                        "--set", "/evaluation/per_client=true"};
const Words kManyRounds = {"--set", "/rounds=60"};

class OnRanks : public Runs {
 protected:
  OnRanks() : Runs("ranks", kExperiment) {}
  void SetUp() override {
    if (std::string(STARLING_MPIRUN).empty() || !fs::exists(STARLING_MPIRUN))
      GTEST_SKIP() << "this build has no MPI";
  }

  Words on(int ranks) const {
    if (ranks == 1) return {};
    return {STARLING_MPIRUN, "--oversubscribe", "--bind-to", "none", "-n", std::to_string(ranks)};
  }
  int wait_for(const Words& words, const std::string& out) const {
    return run_child(words, with_mpi(said(out)));
  }
  ChildOptions with_mpi(ChildOptions options) const {
    options.environment = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                           {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                           {"OMPI_MCA_mpi_yield_when_idle", "1"}};
    return options;
  }
  int run(int ranks, const std::string& out, const Words& more = {}) const {
    return wait_for(on(ranks) + command(out, more), out);
  }
  int resume(int ranks, const std::string& out) const {
    return wait_for(on(ranks) + resumption(out), out);
  }
  void expect_same_on_ranks(const Words& more, const std::vector<int>& numbers = {1, 2, 4}) const {
    for (const int ranks : numbers) {
      const std::string out = std::to_string(ranks);
      fs::remove_all(folder_ / out);
      ASSERT_EQ(run(ranks, out, more), 0) << text(out + ".out");
      expect_same("1", out);
    }
  }

  // The process of each rank that `mpirun` started here, by rank.
  std::map<int, pid_t> processes_of(pid_t mpirun) const {
    std::map<int, pid_t> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto status = contents(entry.path().string() + "/status");
      if (status.find("PPid:\t" + std::to_string(mpirun) + "\n") == std::string::npos) continue;
      const auto environment = contents(entry.path().string() + "/environ");
      const std::string variable = "OMPI_COMM_WORLD_RANK=";
      if (const auto at = environment.find(variable); at != std::string::npos)
        found[std::stoi(environment.substr(at + variable.size()))] = std::stoi(name);
    }
    return found;
  }
  // Starts a run on four ranks and sends `signal` to one of them after its first rounds.
  int interrupt(const Words& words, const std::string& out, int rank, int signal) const {
    Child child(on(4) + words, with_mpi(said(out)));
    constexpr uintmax_t kFirstRounds = 200;
    std::error_code absent;
    while (child.running()) {
      const auto size = fs::file_size(folder_ / (out + "/rounds.csv"), absent);
      if (!absent && size >= kFirstRounds) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const auto processes = processes_of(child.pid());
    if (processes.contains(rank)) ::kill(processes.at(rank), signal);
    return child.wait();
  }
};

// Every rank standardises by the same released sums.
TEST_F(OnRanks, ColumnsAreStandardisedPrivatelyOnAllAlike) {
  expect_same_on_ranks(kPrivate + private_columns());
  EXPECT_EQ(record("4")["columns"].size(), 2u);
  EXPECT_EQ(record("4")["columns"], record("1")["columns"]);
}

TEST_F(OnRanks, TwoAndFourGiveTheBytesOfOneProcess) {
  expect_same_on_ranks({});
  expect_same_on_ranks(kPrivate);
}

TEST_F(OnRanks, LongClientLevelPrivacyGivesTheBytesOfOneProcess) {
  expect_same_on_ranks(
      {"--set", R"(/participation={"kind": "poisson", "rate": 0.5})", "--set",
       R"(/privacy={"unit": "client", "noise_multiplier": 2, "delta": 1e-2, "insecure_seed": 3,
           "adaptive": {"quantile": 0.5, "learning_rate": 0.2, "bit_noise_multiplier": 2}})",
       "--set", "/strategy/weights=uniform"});
}

// Clients that keep something go on with it on whichever rank trains them next.
TEST_F(OnRanks, LongStrategiesWithMemoryGiveTheBytesOfOneProcess) {
  for (const char* strategy : {R"({"kind": "scaffold"})", R"({"kind": "feddyn"})",
                               R"({"kind": "ditto"})", R"({"kind": "fedper", "personal": ["4"]})"})
    expect_same_on_ranks(
        {"--set", std::string("/strategy=") + strategy, "--set", "/evaluation/per_client=true"});
}

TEST_F(OnRanks, LongAsynchronousRoundsGiveTheBytesOfOneProcess) {
  expect_same_on_ranks({"--set", R"(/strategy={"kind": "fedbuff", "buffer_size": 3})"});
}

// Answers on the public set, and models of other architectures than the server's, travel between
// ranks as well.
TEST_F(OnRanks, StrategiesThatDistilGiveTheBytesOfOneProcess) {
  for (const char* kind : {"feddf", "dsfl", "fedmd"})
    expect_same_on_ranks({"--set", std::string("/strategy={\"kind\": \"") + kind + kDistillation},
                         {1, 2});
}

TEST_F(OnRanks, ClientsWithModelsOfTheirOwnGiveTheBytesOfOneProcess) {
  for (const char* kind : {"dsfl", "fedmd"})
    expect_same_on_ranks(
        Words{"--set", std::string("/strategy={\"kind\": \"") + kind + kDistillation} + kDevices,
        {1, 2});
}

TEST_F(OnRanks, LongRobustRulesSeeEveryUpload) {
  for (const char* rule : {R"({"kind": "median"})", R"({"kind": "krum", "malicious_clients": 1})",
                           R"({"kind": "fltrust", "root_examples": 20})"})
    expect_same_on_ranks({"--set", std::string("/aggregation=") + rule});
}

TEST_F(OnRanks, LongErrorFeedbackOfCompressionGivesTheBytesOfOneProcess) {
  expect_same_on_ranks(
      {"--set", R"(/communication={"kind": "top_k", "fraction": 0.1, "error_feedback": true})"});
}

TEST_F(OnRanks, AKilledRankLeavesARunThatAnyNumberOfRanksCompletes) {
  const auto more = kPrivate + kManyRounds;
  ASSERT_EQ(run(1, "whole", more), 0) << text("whole.out");
  int resumed_on = 1;
  for (const int rank : {3, 0}) {
    const std::string out = "killed" + std::to_string(rank);
    EXPECT_NE(interrupt(command(out, more), out, rank, SIGKILL), 0);
    EXPECT_FALSE(fs::exists(folder_ / (out + "/run.json")));
    ASSERT_EQ(resume(resumed_on, out), 0) << text(out + ".out");
    expect_same("whole", out);
    resumed_on = 2;
  }
}

TEST_F(OnRanks, ASignalToAnyRankEndsTheRunAfterItsRound) {
  ASSERT_EQ(run(1, "whole", kManyRounds), 0) << text("whole.out");
  for (const int rank : {0, 2}) {
    const std::string out = "stopped" + std::to_string(rank);
    EXPECT_EQ(interrupt(command(out, kManyRounds), out, rank, SIGTERM), 143) << text(out + ".out");
    EXPECT_THAT(record(out)["status"].get<std::string>(), HasSubstr("stopped by SIGTERM"));
    ASSERT_EQ(resume(4, out), 0) << text(out + ".out");
    expect_same("whole", out);
  }
}

TEST_F(OnRanks, TheSecretKeyReachesEveryRank) {
  const auto more = kPrivate + kManyRounds + Words{"--set", "/privacy/insecure_seed=null"};
  EXPECT_EQ(interrupt(command("a", more), "a", 0, SIGTERM), 143) << text("a.out");
  fs::copy(folder_ / "a", folder_ / "b", fs::copy_options::recursive);
  fs::copy(folder_ / "a.key", folder_ / "b.key");
  ASSERT_EQ(resume(1, "a"), 0) << text("a.out");
  ASSERT_EQ(resume(2, "b"), 0) << text("b.out");
  expect_same("a", "b");
}

TEST_F(OnRanks, RankZeroAloneSpeaks) {
  ASSERT_EQ(run(4, "a"), 0);
  const auto said = text("a.out");
  EXPECT_EQ(said.find("run folder"), said.rfind("run folder"));
  const auto refused = run(4, "b", {"--set", "/rounds=-1"});
  EXPECT_EQ(refused, 2);
  const auto complaint = text("b.out");
  EXPECT_THAT(complaint, HasSubstr("starling: "));
  EXPECT_EQ(complaint.find("starling: "), complaint.rfind("starling: ")) << complaint;
}

TEST_F(OnRanks, WhatOneRankLacksEndsAllBeforeAnythingIsWritten) {
  const auto beside = [&](const std::string& file, const Words& more) {
    auto launcher = on(1 + 1);
    launcher.back() = "1";
    auto other = command("a", more);
    other[2] = file;
    return wait_for(launcher + command("a") + Words{":", "-n", "1"} + other, "a");
  };
  EXPECT_EQ(beside(folder_ / "absent.json", {}), 2);
  EXPECT_THAT(text("a.out"), HasSubstr("rank 1: "));
  EXPECT_THAT(text("a.out"), HasSubstr("absent.json"));
  EXPECT_EQ(beside(folder_ / "experiment.json", {"--set", "/local/batch_size=3"}), 2);
  EXPECT_THAT(text("a.out"), HasSubstr("rank 1 has another experiment"));
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

// Copies that cannot reach each other would each run the whole experiment.
TEST(Copies, AreRefusedWhereTheyCannotWorkTogether) {
  const auto alone = [](const std::string& environment) {
    return testing::starling("run absent.json", environment);
  };
  const auto srun = alone("SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=0");
  EXPECT_EQ(srun.code, 2);
  EXPECT_THAT(srun.err, HasSubstr("--mpi=pmix"));
  EXPECT_EQ(alone("SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=1").err, "");
  EXPECT_THAT(alone("SLURM_NTASKS=4 SLURM_PROCID=0").err, HasSubstr("absent.json"));
  if (std::string(STARLING_MPIRUN).empty()) {
    const auto mpirun = alone("OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_RANK=0");
    EXPECT_EQ(mpirun.code, 2);
    EXPECT_THAT(mpirun.err, HasSubstr("built without MPI"));
  }
}

}  // namespace
}  // namespace starling::reliability
