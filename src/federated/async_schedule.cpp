#include "starling/federated/async_schedule.h"

#include <algorithm>
#include <numeric>

#include "starling/core/error.h"

namespace starling {
namespace {

struct Work {
  double end = 0.0;
  int64_t order = 0;  // of beginning: ties end in it
  AsyncJob job;
};

class Workshop {
 public:
  Workshop(const FedBuffSpec& spec, const World& world, int64_t clients, const RandomKey& key)
      : spec_(spec), world_(world), stream_(key, {Purpose::participation}) {
    idle_.resize(static_cast<size_t>(clients));
    std::iota(idle_.begin(), idle_.end(), 0);
  }

  AsyncRound next(int64_t round) {
    AsyncRound result;
    int64_t counted = 0;
    while (counted < spec_.buffer_size) {
      while (std::ssize(busy_) < spec_.concurrency && !idle_.empty()) begin(round);
      const Work done = take_first();
      now_ = done.end;
      result.jobs.push_back(done.job);
      result.jobs.back().counted = round - done.job.start <= spec_.max_staleness;
      if (result.jobs.back().counted) ++counted;
    }
    for (const auto& job : result.jobs) idle_.push_back(job.client);
    std::ranges::sort(idle_);
    result.time = now_;
    return result;
  }

 private:
  void begin(int64_t round) {
    const auto chosen = idle_.begin() + stream_.below(std::ssize(idle_));
    busy_.push_back({now_ + world_.training_time(*chosen, begun_), begun_, {*chosen, round, true}});
    ++begun_;
    idle_.erase(chosen);
  }

  Work take_first() {
    if (busy_.empty())
      throw Error(
          "strategy fedbuff: every client has reported, most of them too late; raise "
          "max_staleness or lower buffer_size");
    const auto first = std::ranges::min_element(busy_, [](const Work& a, const Work& b) {
      return std::pair(a.end, a.order) < std::pair(b.end, b.order);
    });
    const Work work = *first;
    busy_.erase(first);
    return work;
  }

  const FedBuffSpec& spec_;
  const World& world_;
  RandomStream stream_;
  std::vector<int64_t> idle_;  // ascending; without those in the present buffer
  std::vector<Work> busy_;
  double now_ = 0.0;
  int64_t begun_ = 0;
};

}  // namespace

std::vector<AsyncRound> draw_async_schedule(const FedBuffSpec& spec, const World& world,
                                            int64_t clients, int64_t rounds, const RandomKey& key) {
  if (spec.buffer_size > clients)
    throw Error("strategy fedbuff: buffer_size " + std::to_string(spec.buffer_size) +
                " is more than the " + std::to_string(clients) + " clients");
  Workshop workshop(spec, world, clients, key);
  std::vector<AsyncRound> schedule;
  for (int64_t round = 0; round < rounds; ++round) schedule.push_back(workshop.next(round));
  return schedule;
}

}  // namespace starling
