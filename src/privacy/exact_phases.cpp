#include "privacy/exact_phases.h"

#include <algorithm>
#include <cmath>

#include "core/vector_targets.h"

namespace starling {
namespace {

constexpr size_t kBlock = 64;  // points
constexpr size_t kLanes = 8;   // additions that need not wait for each other

void set(const std::vector<double>& losses, double t, std::vector<double>& re,
         std::vector<double>& im) {
  for (size_t k = 0; k < losses.size(); ++k) {
    const double half = std::sin(0.5 * t * losses[k]);
    re[k] = -2.0 * half * half;
    im[k] = std::sin(t * losses[k]);
  }
}

struct Turn {
  STARLING_INLINE static void run(double* re, double* im, const double* by_re, const double* by_im,
                                  size_t size) {
#pragma GCC ivdep
    for (size_t k = 0; k < size; ++k) {
      const double old = re[k];
      re[k] += by_re[k] + old * by_re[k] - im[k] * by_im[k];
      im[k] += by_im[k] + old * by_im[k] + im[k] * by_re[k];
    }
  }
};

struct Dot {
  STARLING_INLINE static double run(const double* a, const double* b, size_t size) {
    double lanes[kLanes] = {};
    const size_t whole = size / kLanes * kLanes;
    for (size_t k = 0; k < whole; k += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[k + lane] * b[k + lane];
    }
    double total = 0.0;
    for (size_t k = whole; k < size; ++k) total += a[k] * b[k];
    for (double lane : lanes) total += lane;
    return total;
  }
};

}  // namespace

LossPhases::LossPhases(const std::vector<double>& losses, double step)
    : losses_(losses),
      step_(step),
      re_(losses.size(), 0.0),
      im_(losses.size(), 0.0),
      turn_re_(losses.size()),
      turn_im_(losses.size()) {
  set(losses, step, turn_re_, turn_im_);
}

void LossPhases::advance() {
  if (++point_ % kBlock == 0) return set(losses_, t(), re_, im_);
  run_on<Turn>(vector_target(), re_.data(), im_.data(), turn_re_.data(), turn_im_.data(),
               re_.size());
}

std::complex<double> LossPhases::sum(const std::vector<double>& weights) const {
  const auto dot = [&](const std::vector<double>& parts) {
    return run_on<Dot>(vector_target(), weights.data(), parts.data(), parts.size());
  };
  return {dot(re_), dot(im_)};
}

double LossPhases::rounding(double mean_size) const {
  return 3e-14 * std::min(2.0, t() * mean_size);
}

}  // namespace starling
