#pragma once
// Releases whose losses are split into rare large ones, the hits, and the rest (Loss::split_nodes):
// cumulants and bounds of outcomes with a hit and of those without.

#include <cmath>
#include <limits>
#include <vector>

#include "privacy/exact_curve.h"

namespace starling {

constexpr double kMostHits = 20.0;  // logarithm of the tilted mean, where a tilt is worth a try

// All releases split at one threshold and tilted by theta.
struct SplitSide {
  const Side* side = nullptr;
  double theta = 0.0;
  double threshold = 0.0;
  std::vector<SplitNodes> nodes;

  bool finite() const;
  // Finite, and hits are few enough for a transform.
  bool usable() const { return finite() && log_hits(theta) < kMostHits; }
  // Logarithms at another tilt: of the transform of outcomes without hits, and of the expected
  // number of hits, both within kSlack.
  double rest_cumulant(double tilt) const;
  double log_hits(double tilt) const;
  // log(e^(rest) ((1 + hits) - 1)): the transform of outcomes with a hit.
  double cumulant(double tilt) const;
};

// Every release split at `threshold` and tilted by theta, for a transform up to t_max. Not finite
// where one needs more than `most_nodes`.
SplitSide split_side(const Side& side, double theta, double threshold, double t_max = 0.0,
                     double most_nodes = 3e5);

// delta of outcomes without hits is at most e^(log_value - theta epsilon).
struct RestBound {
  double theta = 1.0;
  double log_value = std::numeric_limits<double>::infinity();
  double at(double epsilon) const { return log_value - theta * epsilon; }
};

// Thresholds from epsilon down, until delta without hits is negligible; false if there is none.
bool choose_threshold(const Side& side, const CurveTarget& target, double theta, SplitSide& split,
                      RestBound& rest);
// The tilt near Chernoff's for outcomes with a hit.
double hit_tilt(const SplitSide& split, double epsilon);
// The period for which aliases stay below `log_share` of delta, as choose_period().
Period hit_period(const SplitSide& split, const CurveTarget& target, double log_share);
// How much of the integral lies beyond t.
class HitTail {
 public:
  explicit HitTail(const SplitSide& split);

  // The smallest t from `start` on, within a seventh, beyond which the integral of
  // |transform| / (pi t^2), relative to E[e^(theta L); no hit], is at most e^log_tail; infinity if
  // above `limit`.
  double truncation(double start, double log_tail, double limit) const;
  // Logarithm of a bound on that integral beyond t.
  double at(double t) const;

 private:
  const SplitSide& split_;
  std::vector<HitDecay> decays_;
};

}  // namespace starling
