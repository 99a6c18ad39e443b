#pragma once
// Calibration asks an accountant backwards: how much noise, how many steps, which sample rate meet
// a target. Every answer is checked against the accountant before it is given: what is returned
// satisfies the target, rounded to the private side. Deterministic: a safeguarded secant on log
// epsilon, which starts from an estimate in closed form that promises nothing.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "starling/privacy/accountant.h"
#include "starling/privacy/event_json.h"

namespace starling {

// epsilon >= 0, delta in [0, 1].
struct PrivacyTarget {
  double epsilon = 0.0;
  double delta = 0.0;
};

// True where the accountant bounds the composition by the target.
bool satisfies(const Accountant& accountant, const Composition& composition,
               const PrivacyTarget& target);
// Asked BEFORE a round: would `next` on top of what was spent pass the target?
bool would_exceed(const Accountant& accountant, const Composition& spent,
                  std::span<const Event> next, const PrivacyTarget& target);

// `composition` with every noise multiplier in it (Gaussian, discrete Gaussian, tree, adaptive
// clipping; inside a selection too) replaced. Other events stay as they are.
Composition with_noise_multiplier(Composition composition, double noise_multiplier);

// The smallest noise multiplier whose composition satisfies the target, with 6 digits, at most
// about 1e-5 too large; where the accountant certifies its error, as much too large as 2e-5 of
// epsilon makes up, or a fifth of that error where it is more; at most 2^40, at least 2^-20, or 0
// where no noise is needed. Infinity where epsilon or delta is 0 and only infinite noise gives
// that. With adaptive clipping it stays below twice the smallest bit_noise_multiplier. Errors:
// InputError where no noise satisfies it (other events already spend more, or the counts' noise
// allows no more).
double calibrate_noise_multiplier(const Accountant& accountant, const PrivacyTarget& target,
                                  const std::function<Composition(double)>& composition_of);
double calibrate_noise_multiplier(const Accountant& accountant, const PrivacyTarget& target,
                                  const Composition& composition);

// The largest number of steps in [0, limit] that satisfies the target.
// Errors: InputError where not even 0 steps do.
int64_t calibrate_steps(const Accountant& accountant, const PrivacyTarget& target,
                        const std::function<Composition(int64_t)>& composition_of,
                        int64_t limit = 1'000'000'000);

// The largest sample rate in [2^-40, 1] that satisfies the target, with 6 digits, as close as the
// noise multiplier above; 0 where none does but not sampling at all does.
// Errors: InputError where not even rate 0 does.
double calibrate_sample_rate(const Accountant& accountant, const PrivacyTarget& target,
                             const std::function<Composition(double)>& composition_of);

}  // namespace starling
