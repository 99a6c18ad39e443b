#pragma once
// One plan decides the privacy of example-level training. The batch sampler, the clipper, the
// noise, the divisor and the ledger's event are all taken from one DpSgdPlan, so that they cannot
// disagree. A step adds noise of standard deviation `noise_standard_deviation()` to the SUM of
// clipped example gradients and divides by `divisor()`, a public constant: never by the realised
// batch (Tramer et al. 2022, arXiv 2202.12219). Fields that affect only speed are kept elsewhere.

#include <cstdint>
#include <optional>
#include <string>

#include "starling/privacy/event.h"

namespace starling {

enum class SamplingKind {
  poisson,  // each example joins each step with one independent coin; amplifies
  shuffle,  // each example once an epoch; no amplification is claimed; zero_out or replace_one
  fixed,    // exactly `batch_size` examples without replacement each step; replace_one, rdp only
};
std::string to_string(SamplingKind kind);

struct DpSgdPlan {
  SamplingKind sampling = SamplingKind::poisson;
  Relation relation = Relation::zero_out;
  double sample_rate = 1.0;       // poisson: the coin, in (0, 1]; else batch_size / examples
  double expected_batch = 1.0;    // what a step divides by; a public constant >= 0
  int64_t batch_size = 0;         // shuffle, fixed: the size of a batch; poisson: 0
  int64_t examples = 0;           // shuffle, fixed: public; poisson: unused and 0
  double clip_norm = 1.0;         // L2 bound C on one example's whole gradient, > 0
  double noise_multiplier = 0.0;  // noise standard deviation / clip_norm; 0: epsilon is infinite

  double divisor() const { return expected_batch; }
  double noise_standard_deviation() const { return noise_multiplier * clip_norm; }
  // Steps until every example has been seen once: shuffle, fixed: ceil(examples / batch_size);
  // poisson: ceil(1 / sample_rate).
  int64_t steps_per_epoch() const;

  // What `steps` steps cost, counted from the start of an epoch. Shuffle: one unsampled Gaussian
  // for every epoch begun, since an example meets one step of each. steps >= 0.
  Event event(int64_t steps) const;
  // As `event`, for a ledger line: one release, and how often it happens.
  int64_t releases(int64_t steps) const;

  // Errors: InputError naming the field, its value and what is allowed. `plan` makes valid plans;
  // code that receives one from elsewhere calls this before use.
  void validate(const std::string& place = "privacy") const;
};

// What an experiment says; `plan` completes it.
struct PlanOptions {
  SamplingKind sampling = SamplingKind::poisson;
  Relation relation = Relation::zero_out;
  int64_t batch_size = 0;  // expected (poisson) or exact (shuffle, fixed); >= 1
  // poisson: a constant in the file instead of batch / examples
  std::optional<double> sample_rate = std::nullopt;
  double clip_norm = 1.0;
  double noise_multiplier = 0.0;
};

// The plan of one client with `examples` examples. Poisson: rate min(1, batch_size / examples)
// under zero_out and replace_one, where sizes are public. Under add_remove sizes are private: the
// rate must be given as a constant and neither it nor the divisor is computed from `examples`.
// Errors: InputError at `place` ("experiments/x.json: /local") with the value and what is allowed.
DpSgdPlan plan(const PlanOptions& options, int64_t examples, const std::string& place = "privacy");

}  // namespace starling
