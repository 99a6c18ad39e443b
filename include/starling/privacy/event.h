#pragma once
// A privacy event is one kind of noised release and how often it happens. Events are what ledgers
// record and what accountants compose. Names and nesting in JSON follow the experiment file's
// style:
// {"mechanism": "gaussian", "noise_multiplier": 1.0,
//  "sampling": {"kind": "poisson", "rate": 0.01}, "count": 100}.

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace starling {

// Which two data sets are neighbours.
enum class Relation {
  zero_out,     // one record is replaced by a record that contributes nothing; sizes are public
  add_remove,   // one record is added or removed
  replace_one,  // one record is replaced by any other: twice the sensitivity
};

struct NoSampling {};
// Each record takes part with one independent coin of probability `rate` in [0, 1].
struct PoissonSampling {
  double rate = 1.0;
};
// A uniform subset of exactly `batch` of `examples` records.
struct WithoutReplacement {
  int64_t batch = 0;
  int64_t examples = 0;
};
using Sampling = std::variant<NoSampling, PoissonSampling, WithoutReplacement>;

// Noise standard deviation over the clip norm, on the sum. Always std / clip, for every relation.
struct GaussianMechanism {
  double noise_multiplier = 0.0;
};
struct DiscreteGaussianMechanism {
  double noise_multiplier = 0.0;
};
// Noise scale over the L1 sensitivity.
struct LaplaceMechanism {
  double scale = 0.0;
};
// The true one of `categories` is told with `probability`, every other one equally often.
struct RandomizedResponseMechanism {
  double probability = 0.0;
  int64_t categories = 2;
};
// Prefix sums of `leaves` releases by a binary tree with Gaussian nodes (DP-FTRL), `restarts` fresh
// trees; a record takes part at most `max_participations` times, at least `min_separation` leaves
// strictly between two of them.
struct TreeMechanism {
  double noise_multiplier = 0.0;
  int64_t leaves = 1;
  int64_t restarts = 1;
  int64_t max_participations = 1;
  int64_t min_separation = 0;
};
// One release of a clipped sum and of the noisy count of unclipped contributions (Andrew et al.
// 2021); `noise_multiplier` is the effective one of the pair.
struct AdaptiveClippingMechanism {
  double noise_multiplier = 0.0;
  double bit_noise_multiplier = 0.0;
};
struct Event;
// The best of K runs of `event`, K drawn from `distribution` (Papernot and Steinke 2022).
struct SelectAndRepeatMechanism {
  std::shared_ptr<const Event> event;
  std::string distribution;        // "poisson" or "negative_binomial" ("geometric", "logarithmic")
  std::vector<double> parameters;  // poisson: mean; negative binomial: eta, gamma
};
// A release without noise: epsilon is infinite.
struct NonPrivateMechanism {};

using Mechanism =
    std::variant<GaussianMechanism, DiscreteGaussianMechanism, LaplaceMechanism,
                 RandomizedResponseMechanism, TreeMechanism, AdaptiveClippingMechanism,
                 SelectAndRepeatMechanism, NonPrivateMechanism>;

struct Event {
  Mechanism mechanism;
  Sampling sampling = NoSampling{};
  int64_t count = 1;
};

std::string to_string(Relation relation);

}  // namespace starling
