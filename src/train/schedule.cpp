#include "starling/train/schedule.h"

#include <cmath>
#include <numbers>
#include <string>

#include "starling/core/error.h"

namespace starling {
namespace {

struct Factor {
  double round;
  double rounds;

  double operator()(const ConstantSchedule&) const { return 1.0; }
  double operator()(const StepSchedule& s) const {
    return std::pow(s.gamma, std::floor(round / static_cast<double>(s.every)));
  }
  double operator()(const ExponentialSchedule& s) const { return std::pow(s.gamma, round); }
  double operator()(const CosineSchedule& s) const {
    return s.floor + (1.0 - s.floor) * 0.5 * (1.0 + std::cos(std::numbers::pi * round / rounds));
  }
  double operator()(const InverseSchedule& s) const { return 1.0 / (1.0 + s.decay * round); }
};

}  // namespace

double learning_rate_factor(const Schedule& schedule, int64_t round, int64_t rounds) {
  if (round < 0 || round >= rounds) {
    throw Error("schedule: round " + std::to_string(round) + " is outside [0, " +
                std::to_string(rounds) + ")");
  }
  return std::visit(Factor{static_cast<double>(round), static_cast<double>(rounds)}, schedule);
}

}  // namespace starling
