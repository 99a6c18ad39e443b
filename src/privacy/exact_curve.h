#pragma once
// delta as a function of epsilon for one direction, enclosed from both sides.

#include <limits>
#include <memory>
#include <string>

#include "privacy/exact_side.h"

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

// What the curve is wanted for: tight near `epsilon`, where delta is near e^log_delta; tilted by
// `theta`. A lattice is made `fineness` times finer than it needs to be tight, which certifies
// more.
struct CurveTarget {
  double theta = 1.0;
  double epsilon = 0.0;
  double log_delta = 0.0;
  double fineness = 1.0;
};

// Each returns nullptr where its transform would take too much work.
std::unique_ptr<DeltaCurve> make_contour(const Side& side, const CurveTarget& target);
std::unique_ptr<DeltaCurve> make_lattice(const Side& side, const CurveTarget& target);
// One release alone, in closed form.
std::unique_ptr<DeltaCurve> make_one_release(const TermKind& kind, Direction direction);

}  // namespace starling
