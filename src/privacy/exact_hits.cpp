#include <algorithm>
#include <cmath>
#include <limits>

#include "privacy/exact_hits.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr int kMostFailures = 2;  // of transforms that take too much work

// Whether some loss of one release reaches far enough above `threshold`.
bool has_hits(const Side& side, double threshold) {
  return std::any_of(side.releases.begin(), side.releases.end(), [&](const Release& release) {
    return release.loss->rest_share(release.loss->loss(release.loss->high()), threshold) < 0.5;
  });
}

// Contour integrals at smaller and smaller tilts, until one rounds little; not past where rounding
// errors grow again, which at large tilts they do because rare enormous losses weigh too much, nor
// where they keep taking too much work, `failures` times in all. `split_at` returns false where a
// tilt is not usable.
template <class Split>
std::unique_ptr<DeltaCurve> least_rounding(const CurveTarget& target, double fall, int most,
                                           int& failures, const Split& split_at) {
  double theta = target.theta, before = kInf;
  for (int less = 0; less < most && failures < kMostFailures; ++less, theta *= fall) {
    SplitSide split;
    RestBound rest;
    if (!split_at(theta, split, rest)) continue;
    auto curve = make_hit_contour(target, split, rest);
    if (!curve) {
      ++failures;
      continue;
    }
    if (rounds_little(*curve, target)) return curve;
    const double rounding = curve->log_rounding(target.centre);
    if (rounding >= before) return nullptr;
    before = rounding;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<DeltaCurve> make_hits(const Side& side, const CurveTarget& target) {
  if (!has_hits(side, target.centre)) return nullptr;
  int failures = 0;
  const auto split_at = [&](double theta, SplitSide& split, RestBound& rest) {
    return choose_threshold(side, target, theta, split, rest);
  };
  return least_rounding(target, 0.5, 4, failures, split_at);
}

std::unique_ptr<DeltaCurve> make_hits_and_rest(const Side& side, const CurveTarget& target) {
  if (!has_hits(side, target.centre)) return nullptr;
  // A lower threshold takes more work.
  int failures = 0;
  for (double share : {0.7, 0.45, 0.25}) {
    if (failures == kMostFailures) break;
    const double threshold = share * target.centre;
    auto rest = make_rest_contour(side, target, threshold);
    if (!rest || !rounds_little(*rest, target)) continue;
    const auto split_at = [&](double theta, SplitSide& split, RestBound& bound) {
      split = split_side(side, theta, threshold);
      bound = {1.0, -kInf};
      return split.usable();
    };
    auto hits = least_rounding(target, 0.7, 12, failures, split_at);
    if (hits) return std::make_unique<SplitCurve>(std::move(hits), std::move(rest));
  }
  return nullptr;
}

}  // namespace starling
