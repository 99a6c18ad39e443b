#pragma once
// delta as a function of epsilon for one direction, enclosed from both sides.

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "privacy/exact_side.h"
#include "privacy/numeric.h"

namespace starling {

class DeltaCurve {
 public:
  virtual ~DeltaCurve() = default;
  // log_upper(epsilon) >= log delta(epsilon) for every epsilon >= 0.
  virtual double log_upper(double epsilon) const = 0;
  // At most log delta(epsilon); -infinity where nothing is known.
  virtual double log_lower(double epsilon) const = 0;
  // The part of log_upper that is due to rounding errors.
  virtual double log_rounding(double) const { return -std::numeric_limits<double>::infinity(); }
  virtual std::string method() const = 0;
};

// Outcomes with a hit and those without one, each transformed at its own tilt.
class SplitCurve : public DeltaCurve {
 public:
  SplitCurve(std::unique_ptr<DeltaCurve> hits, std::unique_ptr<DeltaCurve> rest)
      : hits_(std::move(hits)), rest_(std::move(rest)) {}
  double log_upper(double epsilon) const override {
    return std::min(0.0, log_add_exp(hits_->log_upper(epsilon), rest_->log_upper(epsilon)));
  }
  double log_lower(double epsilon) const override {
    return log_add_exp(hits_->log_lower(epsilon), rest_->log_lower(epsilon));
  }
  double log_rounding(double epsilon) const override {
    return log_add_exp(hits_->log_rounding(epsilon), rest_->log_rounding(epsilon));
  }
  std::string method() const override { return hits_->method() + ", twice"; }

 private:
  std::unique_ptr<DeltaCurve> hits_, rest_;
};

// What the curve is wanted for: tight near `epsilon`, where delta is near e^log_delta; tilted by
// `theta`; the answer lies near `centre`, between epsilon and a little above. A lattice is made
// `fineness` times finer than it needs to be tight, which certifies more.
struct CurveTarget {
  double theta = 1.0;
  double epsilon = 0.0;
  double log_delta = 0.0;
  double fineness = 1.0;
  double centre = 0.0;
  size_t most_losses = size_t{1} << 20;  // of a lattice, unless it would not be tight
};

// Whether rounding errors raise delta so little at the centre that epsilon stays tight.
bool rounds_little(const DeltaCurve& curve, const CurveTarget& target);

// Each returns nullptr where its transform would take too much work.
std::unique_ptr<DeltaCurve> make_contour(const Side& side, const CurveTarget& target);
// Outcomes with a hit alone are integrated, at a threshold below which delta is negligible.
std::unique_ptr<DeltaCurve> make_hits(const Side& side, const CurveTarget& target);
// The same, twice: outcomes with a loss above a threshold and those without, each at its own tilt.
std::unique_ptr<DeltaCurve> make_hits_and_rest(const Side& side, const CurveTarget& target);
std::unique_ptr<DeltaCurve> make_lattice(const Side& side, const CurveTarget& target);
// One release alone, in closed form.
std::unique_ptr<DeltaCurve> make_one_release(const TermKind& kind, Direction direction);
// `count` randomised responses, summed over the number of responses that tell one value more often
// than the other. nullptr where that are too many sums.
std::unique_ptr<DeltaCurve> make_responses(const ResponseTerm& response, double count);

}  // namespace starling
