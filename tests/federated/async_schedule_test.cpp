#include "starling/federated/async_schedule.h"

#include <gtest/gtest.h>

#include <set>

#include "starling/core/error.h"

namespace starling {
namespace {

std::vector<AsyncRound> draw(const FedBuffSpec& spec, const WorldSpec& world = {},
                             int64_t clients = 20, int64_t rounds = 30) {
  const auto key = RandomKey::from_seed(7);
  return draw_async_schedule(spec, World(world, key), clients, rounds, key);
}

FedBuffSpec buffer_of(int64_t size, int64_t concurrency) {
  FedBuffSpec spec;
  spec.buffer_size = size;
  spec.concurrency = concurrency;
  return spec;
}

TEST(AsyncSchedule, EveryBufferHoldsDistinctClients) {
  WorldSpec world;
  world.stragglers = LognormalStragglers{1.0};
  for (const auto& round : draw(buffer_of(5, 8), world)) {
    std::set<int64_t> clients;
    for (const auto& job : round.jobs) {
      EXPECT_TRUE(clients.insert(job.client).second);
      EXPECT_GE(job.client, 0);
      EXPECT_LT(job.client, 20);
    }
    EXPECT_EQ(clients.size(), 5u);
  }
}

TEST(AsyncSchedule, OneAtATimeIsSynchronous) {
  const auto schedule = draw(buffer_of(1, 1));
  for (size_t r = 0; r < schedule.size(); ++r) {
    EXPECT_EQ(schedule[r].time, static_cast<double>(r + 1));
    EXPECT_EQ(schedule[r].jobs.at(0).start, static_cast<int64_t>(r));
  }
}

// Who begins as soon as another reports does not wait for the buffer to fill.
TEST(AsyncSchedule, EqualClientsAreAtMostOneModelBehind) {
  const auto schedule = draw(buffer_of(4, 4));
  for (size_t r = 0; r < schedule.size(); ++r) {
    EXPECT_EQ(schedule[r].time, static_cast<double>(r + 1));
    for (const auto& job : schedule[r].jobs) EXPECT_GE(job.start, static_cast<int64_t>(r) - 1);
  }
}

TEST(AsyncSchedule, MoreAtWorkThanABufferHoldsMakesUploadsStale) {
  const auto schedule = draw(buffer_of(2, 8));
  int64_t stale = 0;
  for (size_t r = 0; r < schedule.size(); ++r)
    for (const auto& job : schedule[r].jobs) stale += job.start < static_cast<int64_t>(r);
  EXPECT_GT(stale, 30);
}

// What is too old is not counted, and does not fill the buffer.
TEST(AsyncSchedule, TooStaleUploadsAreLeftOut) {
  WorldSpec world;
  world.stragglers = SlowStragglers{0.3, 6.0};
  FedBuffSpec spec = buffer_of(2, 10);
  spec.max_staleness = 5;
  int64_t left_out = 0;
  const auto schedule = draw(spec, world, 20, 80);
  for (size_t r = 0; r < schedule.size(); ++r) {
    int64_t counted = 0;
    for (const auto& job : schedule[r].jobs) {
      EXPECT_EQ(job.counted, static_cast<int64_t>(r) - job.start <= 5);
      counted += job.counted;
    }
    EXPECT_EQ(counted, 2);
    left_out += std::ssize(schedule[r].jobs) - counted;
  }
  EXPECT_GT(left_out, 0);
}

TEST(AsyncSchedule, RefusesABufferThatNoRoundFills) { EXPECT_THROW(draw(buffer_of(21, 4)), Error); }

}  // namespace
}  // namespace starling
