#include <algorithm>
#include <cmath>
#include <limits>

#include "privacy/exact_hits.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kLogRounding = std::log(1e-4);  // of delta, as much as rounding errors may be

// Whether some loss of one release reaches far enough above `threshold`.
bool has_hits(const Side& side, double threshold) {
  return std::any_of(side.releases.begin(), side.releases.end(), [&](const Release& release) {
    return release.loss->rest_share(release.loss->loss(release.loss->high()), threshold) < 0.5;
  });
}

bool rounds(const DeltaCurve& curve, const CurveTarget& target) {
  return curve.log_rounding(target.centre) > target.log_delta + kLogRounding;
}

// Large tilts give rare enormous losses too much weight.
std::unique_ptr<DeltaCurve> hits_contour(const Side& side, const CurveTarget& target,
                                         double threshold) {
  double theta = target.theta;
  for (int less = 0; less < 12; ++less, theta *= 0.7) {
    auto curve = make_hit_contour(side, target, threshold, {1.0, -kInf}, theta);
    if (curve && !rounds(*curve, target)) return curve;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<DeltaCurve> make_hits(const Side& side, const CurveTarget& target) {
  if (!has_hits(side, target.centre)) return nullptr;
  SplitSide split;
  RestBound rest;
  double theta = target.theta;
  for (int halved = 0; halved < 4; ++halved, theta *= 0.5) {
    if (!choose_threshold(side, target, theta, split, rest)) continue;
    auto curve = make_hit_contour(side, target, split.threshold, rest, theta);
    if (curve && !rounds(*curve, target)) return curve;
  }
  return nullptr;
}

std::unique_ptr<DeltaCurve> make_hits_and_rest(const Side& side, const CurveTarget& target) {
  if (!has_hits(side, target.centre)) return nullptr;
  for (double share : {0.7, 0.45, 0.25}) {
    const double threshold = share * target.centre;
    auto rest = make_rest_contour(side, target, threshold);
    if (!rest || rounds(*rest, target)) continue;
    auto hits = hits_contour(side, target, threshold);
    if (hits) return std::make_unique<SplitCurve>(std::move(hits), std::move(rest));
  }
  return nullptr;
}

}  // namespace starling
