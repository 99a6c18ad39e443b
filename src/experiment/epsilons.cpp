#include "experiment/epsilons.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>

namespace starling::experiment {
namespace {

constexpr int64_t kAhead = 16;
constexpr int64_t kEnd = -1;

// Training has the cores first, ten times over. Not SCHED_IDLE: on a machine that is full, the end
// of a run would wait long for the evaluation that was begun.
constexpr int kNice = 10;

void give_way() {
  const sched_param none{};
  pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
  setpriority(PRIO_PROCESS, 0, kNice);  // of this thread alone, on Linux
}

}  // namespace

Epsilons::Epsilons(std::function<double(int64_t)> epsilon, int64_t rounds)
    : epsilon_(std::move(epsilon)), known_(static_cast<size_t>(rounds) + 1) {
  for (auto& value : known_) value = std::numeric_limits<double>::quiet_NaN();
}

Epsilons::~Epsilons() {
  if (!thread_.joinable()) return;
  wanted_ = kEnd;
  wanted_.notify_one();
  thread_.join();
}

void Epsilons::prepare(int64_t rounds) {
  wanted_ = rounds;
  wanted_.notify_one();
  if (!thread_.joinable()) thread_ = std::thread([this] { work_ahead(); });
}

double Epsilons::after(int64_t rounds) {
  auto& known = known_.at(static_cast<size_t>(rounds));
  const double value = known;
  if (!std::isnan(value)) return value;
  known = epsilon_(rounds);
  return known;
}

void Epsilons::work_ahead() {
  give_way();
  const int64_t last = std::ssize(known_) - 1;
  int64_t next = 1;
  for (int64_t wanted = wanted_; wanted != kEnd; wanted = wanted_) {
    next = std::max(next, wanted);
    if (next > std::min(wanted + kAhead, last)) {
      wanted_.wait(wanted);
      continue;
    }
    try {
      after(next++);
    } catch (const std::exception&) {
      return;  // whoever asks for it meets the same
    }
  }
}

}  // namespace starling::experiment
