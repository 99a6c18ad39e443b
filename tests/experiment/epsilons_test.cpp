#include "experiment/epsilons.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <mutex>

#include "starling/core/error.h"

namespace starling {
namespace {

using experiment::Epsilons;

// Counts who was asked for what.
class Asked {
 public:
  double epsilon(int64_t rounds) {
    const std::lock_guard lock(mutex_);
    ++times_[rounds];
    return 0.5 * static_cast<double>(rounds);
  }
  std::map<int64_t, int64_t> times() {
    const std::lock_guard lock(mutex_);
    return times_;
  }
  // Waits for the thread, which gives way to others; false where it never came so far.
  bool comes_to(int64_t rounds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!times().contains(rounds)) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::map<int64_t, int64_t> times_;
};

TEST(Epsilons, NothingIsComputedBeforeItIsWanted) {
  Asked asked;
  Epsilons epsilons([&](int64_t rounds) { return asked.epsilon(rounds); }, 100);
  EXPECT_TRUE(asked.times().empty());
  EXPECT_EQ(epsilons.after(7), 3.5);
  EXPECT_EQ(epsilons.after(7), 3.5);
  EXPECT_EQ(asked.times(), (std::map<int64_t, int64_t>{{7, 1}}));
}

TEST(Epsilons, AThreadComputesTheNextRoundsAndNoMore) {
  Asked asked;
  Epsilons epsilons([&](int64_t rounds) { return asked.epsilon(rounds); }, 1000);
  epsilons.prepare(5);
  ASSERT_TRUE(asked.comes_to(21));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(asked.times().begin()->first, 5);
  EXPECT_EQ(asked.times().rbegin()->first, 21);
  for (int64_t rounds = 5; rounds <= 21; ++rounds)
    EXPECT_EQ(epsilons.after(rounds), 0.5 * static_cast<double>(rounds));
  for (const auto& [rounds, times] : asked.times()) EXPECT_EQ(times, 1) << rounds;
}

TEST(Epsilons, TheThreadGoesOnWithTheRunAndStopsAtItsLastRound) {
  Asked asked;
  Epsilons epsilons([&](int64_t rounds) { return asked.epsilon(rounds); }, 30);
  for (int64_t rounds = 1; rounds <= 30; ++rounds) {
    epsilons.prepare(rounds);
    EXPECT_EQ(epsilons.after(rounds), 0.5 * static_cast<double>(rounds));
  }
  EXPECT_EQ(asked.times().size(), 30u);
}

TEST(Epsilons, WhoAsksMeetsTheError) {
  Epsilons epsilons([](int64_t) -> double { throw Error("no bound"); }, 10);
  epsilons.prepare(1);
  EXPECT_THROW(epsilons.after(1), Error);
  EXPECT_THROW(epsilons.after(2), Error);
}

}  // namespace
}  // namespace starling
