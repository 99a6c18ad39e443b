#include "starling/federated/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "starling/core/error.h"

namespace starling {
namespace {

using Ids = std::vector<int64_t>;

Ids first(int64_t count) {
  Ids ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), int64_t{0});
  return ids;
}
World world(WorldSpec spec, uint64_t seed = 1) {
  return World(std::move(spec), RandomKey::from_seed(seed));
}
std::map<Fate, int64_t> fates(const RoundStory& story) {
  std::map<Fate, int64_t> count;
  for (const auto& attempt : story.attempts) ++count[attempt.fate];
  return count;
}
WorldSpec busy() {
  return {.availability = 0.8,
          .dropout = 0.1,
          .stragglers = LognormalStragglers{.sigma = 0.7},
          .deadline = 1.5,
          .over_selection = 1.3,
          .minimum_clients = 3};
}

TEST(World, WithoutFailuresEverybodyCounts) {
  const auto story = world({}).play(4, {3, 1, 2}, 3);
  EXPECT_EQ(story.counted, (Ids{1, 2, 3}));
  EXPECT_EQ(story.charged, (Ids{1, 2, 3}));
  EXPECT_FALSE(story.aborted);
  EXPECT_EQ(story.duration, 1.0);
}

TEST(World, IsTheSameWhateverTheOrderOfInvitations) {
  Ids invited = first(40), reversed = invited;
  std::ranges::reverse(reversed);
  const auto a = world(busy()).play(7, invited, 20), b = world(busy()).play(7, reversed, 20);
  EXPECT_EQ(a.counted, b.counted);
  EXPECT_EQ(a.charged, b.charged);
  EXPECT_EQ(a.duration, b.duration);
  EXPECT_NE(a.counted, world(busy()).play(8, invited, 20).counted);
  EXPECT_NE(a.counted, world(busy(), 2).play(7, invited, 20).counted);
}

// What happens to one client does not depend on who else is invited.
TEST(World, ClientsFailIndependently) {
  WorldSpec spec = busy();
  spec.over_selection = 1.0;
  const auto all = world(spec).play(3, first(30), 30);
  for (const auto& attempt : all.attempts) {
    const auto alone = world(spec).play(3, {attempt.client}, 1).attempts.at(0);
    EXPECT_EQ(alone.fate, attempt.fate);
    EXPECT_EQ(alone.time, attempt.time);
  }
}

TEST(World, RatesAreThoseOfTheSpec) {
  constexpr int64_t kClients = 40000;
  const auto count =
      fates(world({.availability = 0.7, .dropout = 0.2}).play(0, first(kClients), kClients));
  const auto near = [](int64_t got, double share) {
    return std::abs(static_cast<double>(got) - share * kClients) <
           6 * std::sqrt(share * (1 - share) * kClients);
  };
  EXPECT_TRUE(near(count.at(Fate::unavailable), 0.3));
  EXPECT_TRUE(near(count.at(Fate::dropped), 0.7 * 0.2));
  EXPECT_TRUE(near(count.at(Fate::counted), 0.7 * 0.8));
}

// Whoever began to train is charged; late reports are ignored.
TEST(World, straggler_retry_WhoeverBeganToTrainIsCharged) {
  const auto story = world(busy()).play(1, first(200), 100);
  for (const auto& attempt : story.attempts) {
    const bool charged = std::ranges::binary_search(story.charged, attempt.client);
    const bool counted = std::ranges::binary_search(story.counted, attempt.client);
    EXPECT_EQ(charged, attempt.fate != Fate::unavailable) << to_string(attempt.fate);
    EXPECT_EQ(counted, attempt.fate == Fate::counted);
    if (attempt.fate == Fate::late) {
      EXPECT_GT(attempt.time, 1.5);
    }
    if (attempt.fate == Fate::counted || attempt.fate == Fate::surplus) {
      EXPECT_LE(attempt.time, 1.5);
    }
    if (attempt.fate == Fate::dropped) {
      EXPECT_GT(attempt.time, 0.0);
    }
  }
  const auto count = fates(story);
  for (const Fate fate : {Fate::unavailable, Fate::late, Fate::dropped, Fate::counted})
    EXPECT_GT(count.at(fate), 0) << to_string(fate);
}

TEST(World, min_clients_AnAbortedRoundStaysCharged) {
  const auto story = world({.availability = 0.5, .minimum_clients = 10}).play(0, first(8), 8);
  EXPECT_TRUE(story.aborted);
  EXPECT_GT(story.charged.size(), 0u);
  EXPECT_FALSE(world({.minimum_clients = 8}).play(0, first(8), 8).aborted);
  EXPECT_TRUE(world({.minimum_clients = 9}).play(0, first(8), 8).aborted);
}

TEST(World, OverSelectionKeepsTheFirstToReport) {
  const WorldSpec spec{.stragglers = LognormalStragglers{.sigma = 1.0}, .over_selection = 1.5};
  const World w = world(spec);
  EXPECT_EQ(w.invitations(10, 100), 15);
  EXPECT_EQ(w.invitations(7, 100), 11);
  EXPECT_EQ(w.invitations(80, 100), 100);
  const auto story = w.play(0, first(15), 10);
  EXPECT_EQ(story.counted.size(), 10u);
  EXPECT_EQ(story.charged.size(), 15u);
  double slowest_counted = 0, fastest_surplus = 1e9;
  for (const auto& attempt : story.attempts) {
    if (attempt.fate == Fate::counted) slowest_counted = std::max(slowest_counted, attempt.time);
    if (attempt.fate == Fate::surplus) fastest_surplus = std::min(fastest_surplus, attempt.time);
  }
  EXPECT_LT(slowest_counted, fastest_surplus);
  EXPECT_EQ(story.duration, slowest_counted);
}

TEST(World, EqualTimesCountByClientId) {
  EXPECT_EQ(world({.over_selection = 2.0}).play(0, {5, 1, 9, 3}, 2).counted, (Ids{1, 3}));
}

TEST(World, WaitsForTheDeadlineWhereReportsAreMissing) {
  WorldSpec spec{.stragglers = SlowStragglers{.fraction = 1.0, .slowdown = 4.0}, .deadline = 2.5};
  const auto late = world(spec).play(0, first(3), 3);
  EXPECT_EQ(late.duration, 2.5);
  EXPECT_TRUE(late.counted.empty());
  EXPECT_EQ(late.charged.size(), 3u);
  spec.deadline = 4.0;  // at the deadline is in time
  EXPECT_EQ(world(spec).play(0, first(3), 3).counted.size(), 3u);
  spec.deadline = std::nullopt;
  EXPECT_EQ(world(spec).play(0, first(3), 3).duration, 4.0);
  EXPECT_EQ(world(spec).play(0, first(3), 5).duration, 4.0);
}

TEST(World, SlowDevicesAreSlowInEveryRound) {
  const World w = world({.stragglers = SlowStragglers{.fraction = 0.3, .slowdown = 5.0}});
  int64_t slow = 0;
  for (int64_t client = 0; client < 10000; ++client) {
    const double time = w.training_time(client, 0);
    EXPECT_TRUE(time == 1.0 || time == 5.0);
    EXPECT_EQ(time, w.training_time(client, 9));
    slow += time == 5.0;
  }
  EXPECT_NEAR(static_cast<double>(slow), 3000, 6 * std::sqrt(2100));
}

TEST(World, LognormalTimesHaveTheSpreadAsked) {
  const World w = world({.stragglers = LognormalStragglers{.sigma = 0.4}});
  double sum = 0, square = 0;
  for (int64_t client = 0; client < 20000; ++client) {
    const double z = std::log(w.training_time(client, 2)) / 0.4;
    sum += z / 20000, square += z * z / 20000;
  }
  EXPECT_LT(std::abs(sum), 6 / std::sqrt(20000.0));
  EXPECT_NEAR(square, 1, 6 * std::sqrt(2 / 20000.0));
  EXPECT_NE(w.training_time(0, 0), w.training_time(0, 1));
}

TEST(World, AnEmptyCohortIsARoundOfNoTime) {
  const auto story = world({}).play(0, {}, 0);
  EXPECT_FALSE(story.aborted);
  EXPECT_EQ(story.duration, 0.0);
  EXPECT_THROW(world({}).play(0, {}, -1), Error);
}

}  // namespace
}  // namespace starling
