#pragma once
// Learning-rate schedules over rounds. In round t = 0, 1, ... of T every local step uses
// learning_rate * learning_rate_factor(schedule, t, T); the factor starts at 1 and never grows.
// Schedules depend on the round number alone, never on data, so they cost no privacy.

#include <cstdint>
#include <variant>

namespace starling {

// 1
struct ConstantSchedule {
  bool operator==(const ConstantSchedule&) const = default;
};
// gamma^floor(t / every)
struct StepSchedule {
  int64_t every = 1;   // rounds, >= 1
  double gamma = 0.1;  // (0, 1]
  bool operator==(const StepSchedule&) const = default;
};
// gamma^t
struct ExponentialSchedule {
  double gamma = 0.99;  // (0, 1]
  bool operator==(const ExponentialSchedule&) const = default;
};
// floor + (1 - floor) (1 + cos(pi t / T)) / 2: half a cosine that would reach `floor` in round T
// (Loshchilov and Hutter 2017, without restarts).
struct CosineSchedule {
  double floor = 0.0;  // [0, 1], as a fraction of the first learning rate
  bool operator==(const CosineSchedule&) const = default;
};
// 1 / (1 + decay t): the rate of FedAvg's convergence theorem (Li et al. 2020).
struct InverseSchedule {
  double decay = 0.1;  // > 0
  bool operator==(const InverseSchedule&) const = default;
};

using Schedule = std::variant<ConstantSchedule, StepSchedule, ExponentialSchedule, CosineSchedule,
                              InverseSchedule>;

// In [0, 1]. 0 <= round < rounds. Errors: Error when the round is outside.
double learning_rate_factor(const Schedule& schedule, int64_t round, int64_t rounds);

}  // namespace starling
