#include "starling/privacy/calibrate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "privacy/calibrate_start.h"
#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kSmallestNoise = 0x1p-20;
constexpr double kLargestNoise = 0x1p40;
constexpr double kSmallestRate = 0x1p-40;
constexpr double kRelativeTolerance = 3e-6;  // of noise and rate
constexpr double kShareOfError = 0.2;        // of the certified error, within which a search ends
constexpr double kCloseEnough = 2e-5;        // of epsilon, the same
constexpr double kSmallestStep = 1e-5;       // of the logarithm, as the next
constexpr double kLargestStep = 2.0;
constexpr double kOvershoot = 1.2;  // a step aims this far past the root, so that it brackets it
constexpr int kMostEvaluations = 200;

void check_target(const PrivacyTarget& target) {
  if (!(target.epsilon >= 0.0)) {
    throw InputError("epsilon", number_text(target.epsilon) + " is outside [0, inf]");
  }
  if (!kUnit.contains(target.delta)) {
    throw InputError("delta", number_text(target.delta) + " is outside [0, 1]");
  }
}

InputError unreachable(const PrivacyTarget& target, const std::string& best) {
  return InputError("", "no choice meets epsilon " + number_text(target.epsilon) + " at delta " +
                            number_text(target.delta) + ": even " + best +
                            " spends more; raise epsilon or delta, or remove other events");
}

using Excess = std::function<double(double)>;

// <= 0 where the composition is safe; the closer to 0, the closer to the target. Smooth in the
// logarithm of noise, steps and rate, so that a secant converges in a few evaluations.
double log_excess(const PrivacyBound& bound, const PrivacyTarget& target) {
  if (!(bound.epsilon >= 0.0)) return kInfinity;
  return bound.epsilon == 0.0 ? -kInfinity : std::log(bound.epsilon) - std::log(target.epsilon);
}

// The same, and 0 where the composition is safe and as close to the target as the accountant
// certifies: there is little left to search for.
double excess(const PrivacyBound& bound, const PrivacyTarget& target) {
  const double value = log_excess(bound, target);
  if (!std::isfinite(bound.error) || !std::isfinite(value)) return value;
  const double slack = std::max(kShareOfError * bound.error / bound.epsilon, kCloseEnough);
  return value <= 0.0 && -value <= slack ? 0.0 : value;
}

PrivacyBound bound_of(const Accountant& accountant, const Composition& composition,
                      const PrivacyTarget& target) {
  return accountant.epsilon(composition.events, composition.relation, target.delta);
}

// An interval of log x whose one end is safe and whose other end is not.
struct Bracket {
  double safe, unsafe;
  double excess_safe, excess_unsafe;
  double width() const { return std::abs(safe - unsafe); }
};

// Where log x meets excess 0, as a share of the way from the bracket's safe end to the other: by
// inverse quadratic interpolation through the two ends and `last`, a point that was an end before.
double interpolated_share(const Bracket& bracket, double last, double excess_last) {
  const double a = bracket.excess_safe, b = bracket.excess_unsafe, c = excess_last;
  const double of_unsafe = a * c / ((b - a) * (b - c));
  const double of_last = a * b / ((c - a) * (c - b));
  return of_unsafe + of_last * (last - bracket.safe) / (bracket.unsafe - bracket.safe);
}

// Inverse quadratic interpolation where it falls into the bracket, else Illinois' variant of regula
// falsi; a bisection where the excess is infinite or convergence is slow. A trial keeps `least`
// away from both ends, so that a root beside one of them closes the bracket, and aims half of that
// to the safe side of the root.
double shrink(Bracket bracket, const Excess& excess_at,
              const std::function<double(const Bracket&)>& least,
              const std::function<bool(const Bracket&)>& enough) {
  double safe_weight = bracket.excess_safe;
  double unsafe_weight = bracket.excess_unsafe;
  double last = 0.0, excess_last = kInfinity;
  int side = 0;  // which end the last trial moved
  for (int i = 0; i < kMostEvaluations && !enough(bracket); ++i) {
    double share = interpolated_share(bracket, last, excess_last);
    if (!(share > 0.0 && share < 1.0)) share = safe_weight / (safe_weight - unsafe_weight);
    const bool slow = i % 8 == 7 || (i > 12 && i % 2 == 1);
    if (!std::isfinite(share) || slow) share = 0.5;
    const double margin = std::min(0.5, least(bracket) / bracket.width());
    share = std::clamp(share - 0.5 * margin, margin, 1.0 - margin);
    const double trial = bracket.safe + share * (bracket.unsafe - bracket.safe);
    const double value = excess_at(trial);
    if (value <= 0.0) {
      last = std::exchange(bracket.safe, trial);
      excess_last = std::exchange(bracket.excess_safe, value);
      safe_weight = value;
      if (side == 1) unsafe_weight /= 2.0;
      side = 1;
    } else {
      last = std::exchange(bracket.unsafe, trial);
      excess_last = std::exchange(bracket.excess_unsafe, value);
      unsafe_weight = value;
      if (side == -1) safe_weight /= 2.0;
      side = -1;
    }
  }
  return bracket.safe;
}

// The secant's root lies within the tolerance of the safe end.
bool is_close(const Bracket& b) {
  const double away = b.width() * b.excess_safe / (b.excess_safe - b.excess_unsafe);
  return b.width() <= 1.1 * kRelativeTolerance || b.excess_safe == 0.0 ||
         away <= kRelativeTolerance;
}

double shrink(const Bracket& bracket, const Excess& excess_at) {
  return shrink(
      bracket, excess_at, [](const Bracket&) { return kRelativeTolerance; }, is_close);
}

// `value` to six digits, away from zero or toward it.
double round_to_six_digits(double value, bool up) {
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 5.0);
  const double steps = value / unit;
  const double whole = up ? std::ceil(steps) : std::floor(steps);
  // A division by an exact power of ten gives the double nearest to the decimal number.
  return unit < 1.0 ? whole / std::round(1.0 / unit) : whole * std::round(unit);
}

// How far to go from `here`, given the excess there and at the point before.
double next_step(double step, double value, double last_value) {
  const double secant = kOvershoot * step * value / (last_value - value);
  const double wanted = std::isfinite(secant) && secant > 0.0 ? secant : 2.0 * step;
  return std::min(std::clamp(wanted, step, 8.0 * step), kLargestStep);
}

// Steps outward from the estimated start, first as far as the estimate says, then along the secant,
// until safe turns to unsafe or the other way. False where a limit is met before, which is then the
// bracket's safe end, with its excess.
bool find_bracket(const Excess& excess_at, const Start& start, double low, double high,
                  bool safe_above, Bracket& bracket) {
  double here = std::clamp(start.at(), low, high);
  double value = excess_at(here);
  bracket = {here, here, value, value};
  if (value == 0.0) return true;
  const bool began_safe = value <= 0.0;
  const double sign = began_safe == safe_above ? -1.0 : 1.0;
  double step = std::clamp(kOvershoot * start.distance(value), kSmallestStep, kLargestStep);
  while (true) {
    const double next = std::clamp(here + sign * step, low, high);
    if (next == here) {
      bracket.safe = here;
      bracket.excess_safe = value;
      return false;
    }
    const double next_value = excess_at(next);
    if ((next_value <= 0.0) != began_safe) {
      bracket = began_safe ? Bracket{here, next, value, next_value}
                           : Bracket{next, here, next_value, value};
      return true;
    }
    step = next_step(step, next_value, value);
    here = next;
    value = next_value;
  }
}

}  // namespace

bool satisfies(const Accountant& accountant, const Composition& composition,
               const PrivacyTarget& target) {
  return bound_of(accountant, composition, target).epsilon <= target.epsilon;
}

bool would_exceed(const Accountant& accountant, const Composition& spent,
                  std::span<const Event> next, const PrivacyTarget& target) {
  Composition after = spent;
  after.events.insert(after.events.end(), next.begin(), next.end());
  after.events = merge_equal(after.events);
  return !satisfies(accountant, after, target);
}

namespace {

void replace_noise(Event& event, double noise_multiplier) {
  std::visit(
      [&](auto& mechanism) {
        if constexpr (requires { mechanism.noise_multiplier; }) {
          mechanism.noise_multiplier = noise_multiplier;
        }
        if constexpr (requires { mechanism.distribution; }) {
          if (!mechanism.event) return;
          Event inner = *mechanism.event;
          replace_noise(inner, noise_multiplier);
          mechanism.event = std::make_shared<const Event>(std::move(inner));
        }
      },
      event.mechanism);
}

}  // namespace

Composition with_noise_multiplier(Composition composition, double noise_multiplier) {
  for (Event& event : composition.events) replace_noise(event, noise_multiplier);
  return composition;
}

namespace {

// Adaptive clipping takes noise multipliers below twice that of its counts (adaptive_clipping.h).
double noise_limit(const Composition& composition) {
  double limit = kInfinity;
  for (const Event& event : composition.events) {
    if (const auto* clipping = std::get_if<AdaptiveClippingMechanism>(&event.mechanism)) {
      limit = std::min(limit, 2.0 * clipping->bit_noise_multiplier);
    }
  }
  return limit;
}

}  // namespace

double calibrate_noise_multiplier(const Accountant& accountant, const PrivacyTarget& target,
                                  const std::function<Composition(double)>& composition_of) {
  check_target(target);
  const double limit = noise_limit(composition_of(0.0));
  const double largest = std::min(kLargestNoise, limit * (1.0 - 1e-6));
  const auto safe = [&](double noise) {
    return noise < limit && satisfies(accountant, composition_of(noise), target);
  };
  const auto refuse = [&]() -> InputError {
    if (largest == kLargestNoise) return unreachable(target, "infinite noise");
    return unreachable(target, "noise multiplier " + number_text(largest) +
                                   ", the most that bit_noise_multiplier " +
                                   number_text(limit / 2.0) + " admits,");
  };
  if (safe(0.0)) return 0.0;
  if (largest == kLargestNoise && !satisfies(accountant, composition_of(kInfinity), target)) {
    throw refuse();
  }
  if (target.epsilon == 0.0 || target.delta == 0.0) {
    if (largest < kLargestNoise) throw refuse();
    return kInfinity;
  }
  const auto rounded = [](double log_noise) {
    return round_to_six_digits(std::exp(log_noise), true);
  };
  const auto excess_at = [&](double log_noise) {
    const double noise = rounded(log_noise);
    return noise < limit ? excess(bound_of(accountant, composition_of(noise), target), target)
                         : kInfinity;
  };
  const double low = std::log(kSmallestNoise), high = std::log(largest);
  const Start start(target, composition_of, low, high, true);
  Bracket bracket;
  const bool found = find_bracket(excess_at, start, low, high, true, bracket);
  if (!found && bracket.excess_safe > 0.0) throw refuse();
  return found ? rounded(shrink(bracket, excess_at)) : rounded(bracket.safe);
}

double calibrate_noise_multiplier(const Accountant& accountant, const PrivacyTarget& target,
                                  const Composition& composition) {
  return calibrate_noise_multiplier(accountant, target, [&](double noise_multiplier) {
    return with_noise_multiplier(composition, noise_multiplier);
  });
}

int64_t calibrate_steps(const Accountant& accountant, const PrivacyTarget& target,
                        const std::function<Composition(int64_t)>& composition_of, int64_t limit) {
  check_target(target);
  std::map<int64_t, PrivacyBound> known;
  const auto bound_at = [&](int64_t steps) {
    const auto [place, is_new] = known.try_emplace(steps);
    if (is_new) place->second = bound_of(accountant, composition_of(steps), target);
    return place->second;
  };
  const auto safe = [&](int64_t steps) { return bound_at(steps).epsilon <= target.epsilon; };
  if (!safe(0)) throw unreachable(target, "0 steps");
  if (limit < 1 || !safe(1)) return 0;
  // Between whole numbers of steps the excess is that of the next whole number down.
  const auto steps_at = [&](double log_steps) {
    return std::clamp<int64_t>(static_cast<int64_t>(std::floor(std::exp(log_steps) + 1e-9)), 1,
                               limit);
  };
  const auto excess_at = [&](double log_steps) {
    return log_excess(bound_at(steps_at(log_steps)), target);
  };
  const double most = std::log(static_cast<double>(limit));
  const Start start(
      target, [&](double steps) { return composition_of(steps_at(std::log(steps))); }, 0.0, most,
      false);
  Bracket bracket;
  if (!find_bracket(excess_at, start, 0.0, most, false, bracket)) {
    return safe(limit) ? limit : 0;
  }
  const auto neighbours = [&](const Bracket& b) {
    return steps_at(b.unsafe) - steps_at(b.safe) <= 1;
  };
  const auto one_step = [&](const Bracket& b) { return 1.01 / std::exp(b.safe); };
  int64_t steps = steps_at(shrink(bracket, excess_at, one_step, neighbours));
  for (int64_t back = 1; !safe(steps); back *= 2) steps = std::max<int64_t>(steps - back, 0);
  return steps;
}

double calibrate_sample_rate(const Accountant& accountant, const PrivacyTarget& target,
                             const std::function<Composition(double)>& composition_of) {
  check_target(target);
  const auto safe = [&](double rate) {
    return satisfies(accountant, composition_of(rate), target);
  };
  if (safe(1.0)) return 1.0;
  if (!safe(0.0)) throw unreachable(target, "sample rate 0");
  if (target.delta == 0.0) return 0.0;
  const auto rounded = [](double log_rate) {
    return round_to_six_digits(std::exp(log_rate), false);
  };
  const auto excess_at = [&](double log_rate) {
    return excess(bound_of(accountant, composition_of(rounded(log_rate)), target), target);
  };
  const double least = std::log(kSmallestRate);
  const Start start(target, composition_of, least, 0.0, false);
  Bracket bracket;
  if (!find_bracket(excess_at, start, least, 0.0, false, bracket)) {
    return 0.0;
  }
  return rounded(shrink(bracket, excess_at));
}

}  // namespace starling
