#pragma once
// Ranks that are threads of one process: collective calls without MPI.

#include <barrier>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "starling/federated/ranks.h"

namespace starling::test {

class Meeting {
 public:
  explicit Meeting(int64_t size) : given_(static_cast<size_t>(size)), barrier_(size) {}

  // What every rank gave. Nobody gives again before all have read.
  std::vector<std::string> exchange(int64_t rank, const std::string& bytes) {
    given_[static_cast<size_t>(rank)] = bytes;
    barrier_.arrive_and_wait();
    auto all = given_;
    barrier_.arrive_and_wait();
    return all;
  }

 private:
  std::vector<std::string> given_;
  std::barrier<> barrier_;
};

class ThreadRank final : public Ranks {
 public:
  ThreadRank(Meeting& meeting, int64_t rank, int64_t size)
      : meeting_(meeting), rank_(rank), size_(size) {}
  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }
  int64_t local_size() const override { return size_; }
  void sum(std::span<int64_t> values) override {
    const std::string own(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    std::ranges::fill(values, 0);
    for (const auto& theirs : meeting_.exchange(rank_, own))
      for (size_t i = 0; i < values.size(); ++i)
        values[i] += reinterpret_cast<const int64_t*>(theirs.data())[i];
  }
  void broadcast(std::string& bytes) override { bytes = meeting_.exchange(rank_, bytes)[0]; }
  std::vector<std::string> gather(const std::string& bytes) override {
    return meeting_.exchange(rank_, bytes);
  }
  void abort() override { std::abort(); }

 private:
  Meeting& meeting_;
  int64_t rank_, size_;
};

// Calls work(ranks) on `size` threads, and waits for all of them. `work` does not throw.
inline void on_thread_ranks(int64_t size, const std::function<void(Ranks&)>& work) {
  Meeting meeting(size);
  std::vector<std::jthread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank ranks(meeting, rank, size);
      work(ranks);
    });
}

}  // namespace starling::test
