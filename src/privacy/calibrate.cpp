#include "starling/privacy/calibrate.h"

#include <algorithm>
#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kSmallestNoise = 0x1p-20;
constexpr double kLargestNoise = 0x1p40;
constexpr double kSmallestRate = 0x1p-40;
constexpr double kRelativeTolerance = 3e-6;
constexpr double kShareOfError = 0.2;  // of the certified error, within which a search ends
constexpr double kFirstStep = 0.06;    // of the logarithm
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
double excess(const Accountant& accountant, const Composition& composition,
              const PrivacyTarget& target) {
  const PrivacyBound bound =
      accountant.epsilon(composition.events, composition.relation, target.delta);
  const double epsilon = bound.epsilon;
  if (!(epsilon >= 0.0)) return kInfinity;
  if (epsilon <= target.epsilon && target.epsilon == 0.0) return 0.0;
  const double value = std::log(epsilon) - std::log(target.epsilon);
  // Closer to the target than the accountant certifies, there is nothing left to search for.
  const double slack = std::isfinite(bound.error) ? kShareOfError * bound.error / epsilon : 0.0;
  return value <= 0.0 && -value <= slack ? 0.0 : value;
}

// What a cheap bound answers is close to what any accountant answers: searches start there.
double start_by_rdp(const Accountant& accountant, double otherwise,
                    const std::function<double(const Accountant&)>& calibrate) {
  if (accountant.name() == "rdp") return otherwise;
  try {
    const double value = calibrate(*make_accountant("rdp"));
    return value > 0.0 && std::isfinite(value) ? value : otherwise;
  } catch (const InputError&) {
    return otherwise;
  }
}

// An interval of log x whose one end is safe and whose other end is not.
struct Bracket {
  double safe, unsafe;
  double excess_safe, excess_unsafe;
  double width() const { return std::abs(safe - unsafe); }
};

// Illinois' variant of regula falsi; a bisection where the excess is infinite or convergence is
// slow. A trial keeps `least` away from both ends, so that a root beside one of them closes the
// bracket.
double shrink(Bracket bracket, const Excess& excess_at,
              const std::function<double(const Bracket&)>& least,
              const std::function<bool(const Bracket&)>& enough) {
  double safe_weight = bracket.excess_safe;
  double unsafe_weight = bracket.excess_unsafe;
  int side = 0;  // which end the last trial moved
  for (int i = 0; i < kMostEvaluations && !enough(bracket); ++i) {
    double share = safe_weight / (safe_weight - unsafe_weight);
    const bool slow = i % 8 == 7 || (i > 12 && i % 2 == 1);
    if (!std::isfinite(share) || slow) share = 0.5;
    const double margin = std::min(0.5, least(bracket) / bracket.width());
    share = std::clamp(share, margin, 1.0 - margin);
    const double trial = bracket.safe + share * (bracket.unsafe - bracket.safe);
    const double value = excess_at(trial);
    if (value <= 0.0) {
      bracket.safe = trial;
      bracket.excess_safe = value;
      safe_weight = value;
      if (side == 1) unsafe_weight /= 2.0;
      side = 1;
    } else {
      bracket.unsafe = trial;
      unsafe_weight = value;
      if (side == -1) safe_weight /= 2.0;
      side = -1;
    }
  }
  return bracket.safe;
}

double shrink(const Bracket& bracket, const Excess& excess_at) {
  return shrink(
      bracket, excess_at, [](const Bracket&) { return 0.9 * kRelativeTolerance; },
      [](const Bracket& b) { return b.width() <= kRelativeTolerance || b.excess_safe == 0.0; });
}

// `value` to six digits, away from zero or toward it.
double round_to_six_digits(double value, bool up) {
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 5.0);
  const double steps = value / unit;
  const double whole = up ? std::ceil(steps) : std::floor(steps);
  // A division by an exact power of ten gives the double nearest to the decimal number.
  return unit < 1.0 ? whole / std::round(1.0 / unit) : whole * std::round(unit);
}

// Steps outward from `start`, each step twice the last, until safe turns to unsafe or the other
// way, or a limit is passed.
bool find_bracket(const Excess& excess_at, double start, double low, double high, bool safe_above,
                  Bracket& bracket) {
  double here = std::clamp(start, low, high);
  double value = excess_at(here);
  const bool began_safe = value <= 0.0;
  double step = began_safe == safe_above ? -kFirstStep : kFirstStep;
  while (true) {
    const double next = std::clamp(here + step, low, high);
    if (next == here) return false;
    const double next_value = excess_at(next);
    if ((next_value <= 0.0) != began_safe) {
      bracket = began_safe ? Bracket{here, next, value, next_value}
                           : Bracket{next, here, next_value, value};
      return true;
    }
    here = next;
    value = next_value;
    step *= 2.0;
  }
}

}  // namespace

bool satisfies(const Accountant& accountant, const Composition& composition,
               const PrivacyTarget& target) {
  const PrivacyBound bound =
      accountant.epsilon(composition.events, composition.relation, target.delta);
  return bound.epsilon <= target.epsilon;
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

double calibrate_noise_multiplier(const Accountant& accountant, const PrivacyTarget& target,
                                  const std::function<Composition(double)>& composition_of) {
  check_target(target);
  const auto safe = [&](double noise) {
    return satisfies(accountant, composition_of(noise), target);
  };
  if (safe(0.0)) return 0.0;
  if (target.epsilon == 0.0 || target.delta == 0.0) {
    if (safe(kInfinity)) return kInfinity;
    throw unreachable(target, "infinite noise");
  }
  const auto excess_at = [&](double log_noise) {
    return excess(accountant, composition_of(std::exp(log_noise)), target);
  };
  const double start = start_by_rdp(accountant, 1.0, [&](const Accountant& rdp) {
    return calibrate_noise_multiplier(rdp, target, composition_of);
  });
  Bracket bracket;
  const bool found = find_bracket(excess_at, std::log(start), std::log(kSmallestNoise),
                                  std::log(kLargestNoise), true, bracket);
  if (!found && !safe(kLargestNoise)) {
    throw unreachable(target, "noise multiplier " + number_text(kLargestNoise));
  }
  double noise = found ? std::exp(shrink(bracket, excess_at)) : kSmallestNoise;
  noise = round_to_six_digits(noise, true);
  for (double step = 1e-6; !safe(noise); step *= 2.0) {
    if (!(noise < 2.0 * kLargestNoise)) throw unreachable(target, "noise multiplier 2^41");
    noise = round_to_six_digits(noise * (1.0 + step), true);
  }
  return noise;
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
  const auto safe = [&](int64_t steps) {
    return satisfies(accountant, composition_of(steps), target);
  };
  if (!safe(0)) throw unreachable(target, "0 steps");
  if (limit < 1 || !safe(1)) return 0;
  // Between whole numbers of steps the excess is that of the next whole number down.
  const auto steps_at = [&](double log_steps) {
    return std::clamp<int64_t>(static_cast<int64_t>(std::floor(std::exp(log_steps) + 1e-9)), 1,
                               limit);
  };
  const auto excess_at = [&](double log_steps) {
    return excess(accountant, composition_of(steps_at(log_steps)), target);
  };
  const double start = start_by_rdp(accountant, 1.0, [&](const Accountant& rdp) {
    return static_cast<double>(calibrate_steps(rdp, target, composition_of, limit));
  });
  Bracket bracket;
  if (!find_bracket(excess_at, std::log(start), 0.0, std::log(static_cast<double>(limit)), false,
                    bracket)) {
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
  const auto excess_at = [&](double log_rate) {
    return excess(accountant, composition_of(std::exp(log_rate)), target);
  };
  const double start = start_by_rdp(accountant, 1.0, [&](const Accountant& rdp) {
    return calibrate_sample_rate(rdp, target, composition_of);
  });
  Bracket bracket;
  if (!find_bracket(excess_at, std::log(start), std::log(kSmallestRate), 0.0, false, bracket)) {
    return 0.0;
  }
  double rate = round_to_six_digits(std::exp(shrink(bracket, excess_at)), false);
  for (double step = 1e-6; !safe(rate); step *= 2.0) {
    if (rate < kSmallestRate) return 0.0;
    rate = round_to_six_digits(rate / (1.0 + step), false);
  }
  return rate;
}

}  // namespace starling
