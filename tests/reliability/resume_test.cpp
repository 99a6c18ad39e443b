// Cases 34, 35, 37, 40, 41, 42 and 47 on whole runs: whatever ends a run, `starling run --resume`
// brings it to the bytes of one that nothing ended.

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "reliability/limits.h"
#include "reliability/runs.h"
#include "starling/privacy/ledger.h"

namespace starling::reliability {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Small, and with the fast accountant: nearly all of a run's time is the start of the program.
constexpr char kExperiment[] = R"({
  "name": "resumed",
  "dataset": {"name": "digits", "train_limit": 240, "test_limit": 60},
  "partition": {"kind": "iid", "clients": 4},
  "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 10}]},
  "rounds": 5,
  "participation": {"kind": "fraction", "fraction": 0.5},
  "privacy": {"unit": "example", "epsilon": 4, "delta": 1e-4, "insecure_seed": 3,
              "accountant": "rdp"}
})";

class Resume : public Runs {
 protected:
  Resume() : Runs("resume", kExperiment) {}

  int start(const std::string& out, const Words& more = {}) const {
    return run_child(command(out, more), said(out));
  }
  int resume(const std::string& out, const Words& more = {}) const {
    return run_child(resumption(out, more), said(out));
  }
  bool has_checkpoint(const std::string& out) const {
    const fs::path folder = folder_ / (out + "/checkpoint");
    if (!fs::exists(folder)) return false;
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".checkpoint") return true;
    return false;
  }
  bool is_complete(const std::string& out) const {
    return fs::exists(folder_ / (out + "/run.json")) && record(out)["status"] == "complete";
  }
  // Goes on with `out`, or begins it again where it had not come to a checkpoint. A run that was
  // killed after its last file has nothing left to do.
  void bring_to_end(const std::string& out, const Words& more = {}) const {
    if (!has_checkpoint(out)) {
      fs::remove_all(folder_ / out);
      ASSERT_EQ(start(out, more), 0) << text(out + ".out");
    } else if (is_complete(out)) {
      ASSERT_EQ(resume(out), 2) << text(out + ".out");
      EXPECT_THAT(text(out + ".out"), HasSubstr("nothing is left to do"));
    } else {
      ASSERT_EQ(resume(out), 0) << text(out + ".out");
    }
  }
  // Runs `words` below the fault layer; see fault_layer.cpp.
  int with_fault(const Words& words, const std::string& out,
                 std::vector<std::pair<std::string, std::string>> fault) const {
    ChildOptions options = said(out);
    options.environment = std::move(fault);
    options.environment.emplace_back("LD_PRELOAD", STARLING_FAULT_LAYER);
    options.environment.emplace_back("STARLING_FAULT_ROOT", folder_ / out);
    return run_child(words, options);
  }
  // Runs `words`, with that signal where the checkpoint after `round` takes its name.
  int with_signal(const Words& words, const std::string& out, const std::string& signal,
                  int round) const {
    return with_fault(
        words, out,
        {{"STARLING_FAULT", signal + ":1"},
         {"STARLING_FAULT_FILE", "/checkpoint/round-" + std::to_string(round) + ".checkpoint"}});
  }
  // A run that ended by SIGTERM after its second round of five.
  void stop_early(const std::string& out, const Words& more = {}) const {
    ASSERT_EQ(with_signal(command(out, more), out, "term", 2), 143) << text(out + ".out");
    ASSERT_EQ(lines_of(folder_ / (out + "/rounds.csv")).size(), 3u);
  }
};

const Words kTwenty = {"--set", "/rounds=20"};

class RandomKills : public Resume {
 protected:
  void kill_at_random(int trials) {
    ASSERT_EQ(start("whole", kTwenty), 0) << text("whole.out");
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_EQ(start("timed", kTwenty), 0);
    const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
    std::mt19937_64 random(34);
    std::uniform_real_distribution<double> moment(0.0, whole.count());
    int killed = 0;
    std::set<int64_t> rounds;
    for (int trial = 0; trial < trials; ++trial) {
      const std::string out = "trial" + std::to_string(trial);
      killed += kill_after(command(out, kTwenty), moment(random));
      rounds.insert(static_cast<int64_t>(lines_of(folder_ / (out + "/rounds.csv")).size()));
      if (has_checkpoint(out)) killed += kill_after(resumption(out), moment(random));
      if (!complete(out)) bring_to_end(out, kTwenty);
      expect_same("whole", out);
      if (HasFailure()) return;
      fs::remove_all(folder_ / out);
    }
    std::cout << trials << " runs, " << killed << " kills, " << rounds.size()
              << " different numbers of rounds done at the first\n";
    EXPECT_GT(killed, trials / 2);
  }

 private:
  bool complete(const std::string& out) const { return fs::exists(folder_ / (out + "/run.json")); }
  bool kill_after(const Words& words, double seconds) const {
    Child child(words, said("child"));
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    child.kill(SIGKILL);
    return child.wait() == 128 + SIGKILL;
  }
};

TEST_F(RandomKills, kill9_random_TwentyRunsEndInTheSameBytes) { kill_at_random(20); }
TEST_F(RandomKills, kill9_random_CampaignOfTwoHundredRunsEndsInTheSameBytes) {
  kill_at_random(200);
}

class EachCall : public Resume {
 protected:
  std::vector<std::string> calls_of_a_whole_run(const Words& more = {}) const {
    EXPECT_EQ(
        with_fault(command("whole", more), "whole", {{"STARLING_FAULT_TRACE", folder_ / "trace"}}),
        0)
        << text("whole.out");
    return lines_of(folder_ / "trace");
  }

  // Every row of rounds.csv stands for a release: it must have its lines.
  void expect_paid(const std::string& out) const {
    if (!fs::exists(folder_ / (out + "/ledger.jsonl"))) return;
    const auto rows = static_cast<int64_t>(lines_of(folder_ / (out + "/rounds.csv")).size()) - 1;
    const auto ledger = PrivacyLedger::open(folder_ / (out + "/ledger.jsonl"));
    std::set<int64_t> rounds;
    for (const auto& line : ledger.lines()) rounds.insert(line.round);
    EXPECT_GE(static_cast<int64_t>(rounds.size()), rows) << out;
  }

  void kill_at_calls(size_t stride) {
    const size_t calls = calls_of_a_whole_run().size();
    ASSERT_GT(calls, 40u);
    for (size_t call = 1; call <= calls; call += stride) {
      const std::string out = "call" + std::to_string(call);
      ASSERT_EQ(with_fault(command(out), out, {{"STARLING_FAULT", "kill:" + std::to_string(call)}}),
                128 + SIGKILL);
      expect_paid(out);
      bring_to_end(out);
      expect_same("whole", out);
      if (HasFailure()) return;
      fs::remove_all(folder_ / out);
    }
    std::cout << "killed at one call of every " << stride << " of " << calls << "\n";
  }
};

TEST_F(EachCall, kill9_each_syscall_EveryEleventhOfARun) { kill_at_calls(11); }
TEST_F(EachCall, kill9_each_syscall_CampaignOverEveryOneOfARun) { kill_at_calls(1); }

// The lines of a round are on the disk before anything of it is.
TEST_F(EachCall, ledger_wal_LinesAreFlushedBeforeTheRoundIsWritten) {
  int lines = 0, rows = 0;
  for (const auto& call : calls_of_a_whole_run()) {
    if (call.ends_with("fdatasync " + (folder_ / "whole/ledger.jsonl"))) ++lines;
    if (!call.ends_with("write " + (folder_ / "whole/rounds.csv"))) continue;
    EXPECT_GE(lines, ++rows);
  }
  EXPECT_EQ(rows, 5);
}

// A line that was written, a round that was not: the same noise is drawn again, and counted once.
TEST_F(EachCall, ledger_wal_ARecordedRoundThatWasNotReleasedIsReplayed) {
  const auto calls = calls_of_a_whole_run();
  size_t at = 0;
  for (int flushes = 0; flushes < 3; ++at)
    if (calls[at].find("fdatasync") != std::string::npos &&
        calls[at].find("ledger.jsonl") != std::string::npos)
      ++flushes;
  ASSERT_EQ(with_fault(command("a"), "a", {{"STARLING_FAULT", "kill:" + std::to_string(at + 1)}}),
            128 + SIGKILL);
  const auto recorded = lines_of(folder_ / "a/ledger.jsonl").size();
  ASSERT_GT(recorded, lines_of(folder_ / "a/rounds.csv").size());
  bring_to_end("a");
  expect_same("whole", "a");
}

// The release that standardises columns is on the disk before anything that it decides; a run that
// was killed then begins or goes on with the same release.
TEST_F(EachCall, ledger_wal_ColumnSumsAreRecordedBeforeTheyDecideAnything) {
  const Words columns = private_columns();
  const auto calls = calls_of_a_whole_run(columns);
  const auto first = [&](const std::string& call) {
    return std::ranges::find_if(
               calls, [&](const auto& line) { return line.find(call) != std::string::npos; }) -
           calls.begin();
  };
  const auto recorded = first("fdatasync " + (folder_ / "whole/ledger.jsonl"));
  const auto decided = first(folder_ / "whole/checkpoint/");
  ASSERT_LT(recorded, decided);
  ASSERT_LT(decided, std::ssize(calls));
  for (int64_t call = recorded + 1; call < decided + 12; ++call) {
    const std::string out = "call" + std::to_string(call);
    ASSERT_EQ(with_fault(command(out, columns), out,
                         {{"STARLING_FAULT", "kill:" + std::to_string(call + 1)}}),
              128 + SIGKILL);
    EXPECT_GE(lines_of(folder_ / (out + "/ledger.jsonl")).size(), 4u) << "one line a client";
    bring_to_end(out, columns);
    expect_same("whole", out);
    if (HasFailure()) return;
  }
}

// Nothing that decides or times a run reads the system's clock.
TEST_F(EachCall, clock_jump_AClockThatFallsBackChangesNothing) {
  ASSERT_EQ(start("whole"), 0) << text("whole.out");
  ASSERT_EQ(with_fault(command("a"), "a", {{"STARLING_FAULT", "clock"}}), 0) << text("a.out");
  expect_same("whole", "a");
  const auto log = lines_of(folder_ / "a/log.txt");
  ASSERT_GT(log.size(), 1u);
  EXPECT_GT(log.front().substr(0, 11), log.back().substr(0, 11)) << "the clock did not jump";
  EXPECT_THAT(text("a/timings.csv"), ::testing::Not(HasSubstr(",-")));
  EXPECT_GE(record("a")["seconds"].get<double>(), 0.0);
}

TEST_F(EachCall, disk_full_StopsBeforeTheReleaseAndGoesOnWithSpace) {
  const size_t calls = calls_of_a_whole_run().size();
  for (const char* error : {"ENOSPC", "EIO"})
    for (size_t call = 3; call < calls - 8; call += 23) {
      const std::string out = error + std::to_string(call);
      EXPECT_EQ(
          with_fault(command(out), out, {{"STARLING_FAULT", error + (":" + std::to_string(call))}}),
          1)
          << out;
      EXPECT_THAT(text(out + ".out"), ::testing::AnyOf(HasSubstr("No space left on device"),
                                                       HasSubstr("Input/output error")));
      expect_paid(out);
      bring_to_end(out);
      expect_same("whole", out);
      if (HasFailure()) return;
    }
}

TEST_F(Resume, disk_full_ByTheFileSizeLimitKeepsTheLastCheckpoint) {
  ASSERT_EQ(start("whole"), 0);
  ChildOptions options = said("a");
  // Between the sizes of the last two, which vary by a byte or two with the seconds they hold.
  const auto size = [&](const std::string& name) {
    return fs::file_size(folder_ / ("whole/checkpoint/" + name));
  };
  options.file_size = (size("round-4.checkpoint") + size("round-5.checkpoint")) / 2;
  EXPECT_EQ(run_child(command("a"), options), 1);
  EXPECT_THAT(text("a.out"), HasSubstr("File too large"));
  EXPECT_TRUE(fs::exists(folder_ / "a/checkpoint/round-4.checkpoint"));
  bring_to_end("a");
  expect_same("whole", "a");
}

TEST_F(Resume, sigterm_clean_FinishesTheRoundReportsAndCanGoOn) {
  ASSERT_EQ(start("whole"), 0) << text("whole.out");
  for (const auto& [signal, code] : {std::pair{"term", 143}, {"int", 130}}) {
    const std::string out = signal;
    constexpr const char* kRow = ":5";  // of the second round; the table is made before
    ASSERT_EQ(with_fault(command(out), out,
                         {{"STARLING_FAULT", signal + std::string(kRow)},
                          {"STARLING_FAULT_FILE", "/rounds.csv"}}),
              code);
    EXPECT_THAT(record(out)["status"].get<std::string>(),
                AllOf(HasSubstr("stopped by SIG"), HasSubstr("--resume")));
    EXPECT_TRUE(fs::exists(folder_ / (out + "/report.html")));
    EXPECT_EQ(lines_of(folder_ / (out + "/rounds.csv")).size(), 3u);
    ASSERT_EQ(resume(out), 0) << text(out + ".out");
    expect_same("whole", out);
    EXPECT_EQ(record(out)["resumes"], 1);
  }
}

TEST_F(Resume, two_writers_TheSecondIsRefusedAndNamesTheFirst) {
  Child first(command("a", {"--set", "/rounds=100000"}), said("first"));
  while (first.running() && !fs::exists(folder_ / "a/rounds.csv"))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(start("a"), 1);
  EXPECT_THAT(text("a.out"), HasSubstr("process " + std::to_string(first.pid())));
  EXPECT_EQ(resume("a"), 1);
  EXPECT_THAT(text("a.out"), HasSubstr("is writing this run folder"));
  first.kill(SIGTERM);
  EXPECT_EQ(first.wait(), 143);
  EXPECT_EQ(start("a"), 2);
  EXPECT_THAT(text("a.out"), HasSubstr("--resume"));
}

TEST_F(Resume, ckpt_bitflip_ADamagedNewestGivesWayToTheOneBefore) {
  ASSERT_EQ(start("whole"), 0);
  stop_early("a");
  std::map<int64_t, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder_ / "a/checkpoint"))
    files[std::stoll(entry.path().filename().string().substr(6))] = entry.path().string();
  ASSERT_EQ(files.size(), 2u) << "output.keep_checkpoints";
  std::string bytes = contents(files.rbegin()->second);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(files.rbegin()->second, std::ios::binary) << bytes;
  ASSERT_EQ(resume("a"), 0) << text("a.out");
  EXPECT_THAT(text("a.out"), HasSubstr("is damaged"));
  expect_same("whole", "a");
}

TEST_F(Resume, ckpt_version_AChangedExperimentIsRefusedWithTheDifference) {
  stop_early("a");
  const std::string model = text("a/model.safetensors"), ledger = text("a/ledger.jsonl");
  EXPECT_EQ(resume("a", {"--set", "/local/batch_size=7", "--set", "/seed=5"}), 2);
  EXPECT_THAT(text("a.out"), AllOf(HasSubstr("/local/batch_size was 32 and is 7"),
                                   HasSubstr("/seed was 1 and is 5")));
  Json edited = read_json(folder_ / "a/experiment.json");
  edited["privacy"]["clip_norm"] = 3.0;
  folder_.write("a/experiment.json", edited.dump());
  EXPECT_EQ(resume("a"), 2);
  EXPECT_THAT(text("a.out"), HasSubstr("/privacy/clip_norm was 1.0 and is 3.0"));
  EXPECT_EQ(text("a/model.safetensors"), model);
  EXPECT_EQ(text("a/ledger.jsonl"), ledger);
}

// Without insecure_seed: the key file is what makes the same noise.
class SecureResume : public Resume {
 protected:
  const Words secret_ = {"--set", "/privacy/insecure_seed=null"};
  void copy(const std::string& from, const std::string& to) const {
    fs::copy(folder_ / from, folder_ / to, fs::copy_options::recursive);
    fs::copy(folder_ / (from + ".key"), folder_ / (to + ".key"));
  }
};

TEST_F(SecureResume, resume_rng_reuse_TheKeyGivesTheSameBytesAgain) {
  stop_early("a", secret_);
  ASSERT_TRUE(fs::exists(folder_ / "a.key"));
  copy("a", "b");
  ASSERT_EQ(resume("a"), 0) << text("a.out");
  ASSERT_EQ(with_signal(resumption("b"), "b", "kill", 4), 128 + SIGKILL);
  ASSERT_EQ(resume("b"), 0) << text("b.out");
  expect_same("a", "b");
  EXPECT_FALSE(fs::exists(folder_ / "a.key"));
  const auto lines = PrivacyLedger::read(folder_ / "a/ledger.jsonl").lines();
  EXPECT_EQ(lines.size(), 10u) << "two clients in each of five rounds, each counted once";
}

TEST_F(SecureResume, resume_rng_reuse_WithoutTheKeyThereIsNoResume) {
  stop_early("a", secret_);
  const std::string model = text("a/model.safetensors"), ledger = text("a/ledger.jsonl");
  fs::rename(folder_ / "a.key", folder_ / "hidden");
  EXPECT_EQ(resume("a"), 2);
  EXPECT_THAT(text("a.out"), HasSubstr("the key of this run is gone"));
  folder_.write("a.key", std::string(64, 'a') + "\n");
  EXPECT_EQ(resume("a"), 2) << "another key is another configuration";
  folder_.write("a.key", "nonsense");
  EXPECT_EQ(resume("a"), 2);
  EXPECT_EQ(text("a/model.safetensors"), model);
  EXPECT_EQ(text("a/ledger.jsonl"), ledger);
}

// The noise of a round may meet one data set only.
TEST_F(SecureResume, resume_rng_reuse_ChangedDataAreRefused) {
  const auto describe = [&](char pixel) {
    fs::create_directories(folder_ / "data");
    std::string images = testing_files::idx_images(40, 4, 4);
    images.back() = pixel;
    folder_.write("data/images", images);
    folder_.write("data/labels", testing_files::idx_labels(40));
  };
  describe('a');
  folder_.write("tiny.json", R"({"name": "tiny", "licence": "none", "format": "idx",
    "shape": [1, 4, 4], "classes": 10, "mean": [0], "std": [1],
    "train": {"images": "images", "labels": "labels"},
    "test": {"images": "images", "labels": "labels"}})");
  Words more = secret_;
  more.insert(more.end(),
              {"--set", "/dataset={\"name\": \"tiny.json\"}", "--data", folder_ / "data"});
  stop_early("a", more);
  const std::string ledger = text("a/ledger.jsonl");
  describe('b');
  EXPECT_EQ(resume("a", {"--data", folder_ / "data"}), 2);
  EXPECT_THAT(text("a.out"), HasSubstr("other data"));
  EXPECT_EQ(text("a/ledger.jsonl"), ledger);
  describe('a');
  EXPECT_EQ(resume("a", {"--data", folder_ / "data"}), 0) << text("a.out");
}

// The clip norm moves, the server has the noise, cohorts are secret.
TEST_F(Resume, ClientLevelPrivacyWithAdaptiveClippingGoesOn) {
  const Words client = {
      "--set",
      "/participation={\"kind\": \"poisson\", \"rate\": 0.5}",
      "--set",
      "/privacy={\"unit\": \"client\", \"noise_multiplier\": 2, \"delta\": 1e-2, "
      "\"insecure_seed\": 3, \"adaptive\": {\"quantile\": 0.5, \"learning_rate\": 0.2, "
      "\"bit_noise_multiplier\": 2}}",
      "--set",
      "/strategy/weights=uniform"};
  ASSERT_EQ(start("whole", client), 0) << text("whole.out");
  stop_early("a", client);
  ASSERT_EQ(resume("a"), 0) << text("a.out");
  expect_same("whole", "a");
}

TEST_F(Resume, ledger_tamper_ARolledBackLedgerIsRefused) {
  stop_early("a");
  auto lines = lines_of(folder_ / "a/ledger.jsonl");
  std::string shorter;
  for (size_t i = 0; i + 1 < lines.size(); ++i) shorter += lines[i] + "\n";
  folder_.write("a/ledger.jsonl", shorter);
  EXPECT_EQ(resume("a"), 2);
  EXPECT_THAT(text("a.out"), HasSubstr("the end was cut off"));
  fs::remove(folder_ / "a/ledger.jsonl");
  EXPECT_EQ(resume("a"), 2);
}

TEST_F(Resume, RefusesWhatIsNoInterruptedRun) {
  EXPECT_EQ(resume("absent"), 2);
  EXPECT_THAT(text("absent.out"), HasSubstr("holds no experiment.json"));
  ASSERT_EQ(start("a"), 0);
  EXPECT_EQ(resume("a"), 2);
  EXPECT_THAT(text("a.out"), HasSubstr("is complete"));
}

}  // namespace
}  // namespace starling::reliability
