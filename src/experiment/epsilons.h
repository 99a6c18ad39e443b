#pragma once
// Epsilon after each number of a run's rounds. It follows from the plan alone, never from data, so
// that a thread of low priority works it out some rounds ahead, on cores that training leaves idle.
// Whoever asks for one that is not there yet computes it: rounds do not wait for that thread, and
// values do not depend on it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace starling::experiment {

class Epsilons {
 public:
  // `epsilon(rounds)`, never NaN, is called from two threads at once; up to `rounds`.
  Epsilons(std::function<double(int64_t rounds)> epsilon, int64_t rounds);
  ~Epsilons();
  Epsilons(const Epsilons&) = delete;
  Epsilons& operator=(const Epsilons&) = delete;

  // Those from `rounds` >= 1 on will be asked for next.
  void prepare(int64_t rounds);
  // Errors: as `epsilon` throws.
  double after(int64_t rounds);

 private:
  void work_ahead();

  std::function<double(int64_t)> epsilon_;
  std::vector<std::atomic<double>> known_;  // by rounds; NaN where nobody asked yet
  std::atomic<int64_t> wanted_{0};          // 0 before the first, negative at the end
  std::thread thread_;
};

}  // namespace starling::experiment
