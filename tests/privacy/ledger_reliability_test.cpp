// Reliability cases of the ledger: what a thief of privacy might do to a file, and any crashes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <set>

#include "starling/core/error.h"
#include "starling/core/log.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/compose.h"
#include "starling/privacy/ledger.h"

namespace starling {
namespace {

using ::testing::HasSubstr;

LedgerEntry release(int64_t round, const std::string& run = "a", int64_t attempt = 0) {
  LedgerEntry entry;
  entry.run = run;
  entry.config = "config of " + run;
  entry.client = round % 2;
  entry.round = round;
  entry.event = Event{GaussianMechanism{1.5}, NoSampling{}, 1};
  entry.stream = run + std::to_string(round) + "/" + std::to_string(attempt);
  return entry;
}

class LedgerFile : public ::testing::Test {
 protected:
  void SetUp() override {
    log::to_stderr(log::Level::off);
    std::filesystem::remove(path_);
  }
  void TearDown() override {
    std::filesystem::remove(path_);
    log::to_stderr(log::Level::info);
  }

  LedgerHead write(int64_t rounds, const std::string& run) {
    std::filesystem::remove(path_);
    PrivacyLedger ledger = PrivacyLedger::open(path_);
    for (int64_t round = 0; round < rounds; ++round) ledger.record(release(round, run));
    return ledger.head();
  }
  std::string text() const { return read_file(path_); }
  std::string refusal(const std::string& changed, const LedgerHead& head) const {
    try {
      PrivacyLedger::parse(changed, "ledger.jsonl", head);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }

  // In memory where that is possible: thousands of flushes to a disk take minutes.
  static std::string folder() {
    return std::filesystem::is_directory("/dev/shm") ? "/dev/shm/" : testing::TempDir();
  }

  const std::string path_ = folder() + "starling_ledger_" + std::to_string(::getpid()) + "_" +
                            testing::UnitTest::GetInstance()->current_test_info()->name() +
                            ".jsonl";
};

// The head is what run.json and the checkpoint hold.
using LedgerTamper = LedgerFile;

TEST_F(LedgerTamper, ledger_tamper_ADeletedLastLineIsRefused) {
  const LedgerHead head = write(5, "a");
  std::string cut = text();
  cut.erase(cut.rfind('\n', cut.size() - 2) + 1);
  EXPECT_THAT(refusal(cut, head), HasSubstr("the end was cut off"));
  EXPECT_EQ(refusal(text(), head), "accepted");
}

TEST_F(LedgerTamper, ledger_tamper_AnEditedNoiseMultiplierIsRefused) {
  const LedgerHead head = write(5, "a");
  std::string edited = text();
  const size_t place = edited.rfind("\"noise_multiplier\":1.5");
  ASSERT_NE(place, std::string::npos);
  edited.replace(place, 22, "\"noise_multiplier\":9.5");
  EXPECT_THAT(refusal(edited, head), HasSubstr("line 5: was changed"));
  EXPECT_THAT(refusal(edited, {}), HasSubstr("line 5: was changed"));
}

TEST_F(LedgerTamper, ledger_tamper_TheLedgerOfAnotherRunIsRefused) {
  const LedgerHead head = write(5, "a");
  write(5, "b");
  EXPECT_THAT(refusal(text(), head), HasSubstr("rewritten"));
}

TEST_F(LedgerTamper, ledger_tamper_AnOlderCopyIsRefusedByTheCheckpointsCounter) {
  write(3, "a");
  const std::string older = text();
  const LedgerHead head = write(5, "a");
  EXPECT_THAT(refusal(older, head), HasSubstr("has 3 lines where 5 were recorded"));
}

// Whatever crashes between and within writes, however often a run goes
// back to a checkpoint, with the same or another random stream, the reported epsilon never falls
// and covers every release that happened. The model is the set of releases that happened.
class LedgerMonotone : public LedgerFile {
 protected:
  // The line is durable, whole or torn, when the crash comes; only a whole one can have been
  // followed by its release.
  void crash_during_write(std::mt19937_64& random, int64_t round, int64_t attempt) {
    const std::string before = std::filesystem::exists(path_) ? text() : "";
    { PrivacyLedger::open(path_).record(release(round, "a", attempt)); }
    const size_t grown = text().size() - before.size();
    if (grown == 0) return;
    const size_t kept = random() % (grown + 1);
    std::filesystem::resize_file(path_, before.size() + kept);
    if (kept + 1 >= grown) recorded_.insert({round, attempt});
  }

  double epsilon() {
    std::vector<Event> events;
    PrivacyLedger ledger = PrivacyLedger::open(path_);
    const auto clients = ledger.compositions(Unit::example);
    if (clients.empty()) return 0.0;
    return largest_client(clients, *accountant_, 1e-5).bound.epsilon;
  }

  // Of the client of whom most releases happened.
  double least_epsilon() const {
    double most[2] = {0.0, 0.0};
    for (const auto& [round, attempt] : recorded_) most[round % 2] += 1.0;
    const auto count = static_cast<int64_t>(std::max(most[0], most[1]));
    const Event event{GaussianMechanism{1.5}, NoSampling{}, count};
    return count == 0 ? 0.0 : accountant_->epsilon({&event, 1}, Relation::zero_out, 1e-5).epsilon;
  }

  void run_sequence(uint64_t seed) {
    std::mt19937_64 random(seed);
    std::filesystem::remove(path_);
    recorded_.clear();
    int64_t round = 0, attempt = 0;
    double before = 0.0;
    for (int step = 0; step < 6; ++step) {
      switch (random() % 4) {
        case 0:  // a round that is released
        {
          PrivacyLedger::open(path_).record(release(round, "a", attempt));
        }
          recorded_.insert({round++, attempt});
          break;
        case 1:
          crash_during_write(random, round, attempt);
          break;
        case 2:  // back to a checkpoint: replayed to the bit
          round = static_cast<int64_t>(random() % static_cast<uint64_t>(round + 1));
          break;
        case 3:  // back to a checkpoint whose streams are lost: other noise
          round = static_cast<int64_t>(random() % static_cast<uint64_t>(round + 1));
          ++attempt;
          break;
      }
      const double now = epsilon();
      ASSERT_GE(now, before) << "seed " << seed << " step " << step;
      ASSERT_GE(now, least_epsilon()) << "seed " << seed << " step " << step;
      before = now;
    }
  }

  std::set<std::pair<int64_t, int64_t>> recorded_;
  const std::unique_ptr<Accountant> accountant_ = make_accountant("zcdp");
};

TEST_F(LedgerMonotone, ledger_monotone_OverRandomCrashSequences) {
  for (uint64_t seed = 0; seed < 50 && !HasFatalFailure(); ++seed) run_sequence(seed);
}

TEST_F(LedgerMonotone, ledger_monotone_LongOverTenThousandRandomCrashSequences) {
  for (uint64_t seed = 1000; seed < 11000 && !HasFatalFailure(); ++seed) run_sequence(seed);
}

}  // namespace
}  // namespace starling
