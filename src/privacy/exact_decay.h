#pragma once
// How fast the characteristic function of the tilted sum decays: what lies beyond the last point of
// the contour integral, proven for ALL larger t.
//
// Points y and y' of equal tilted density whose losses differ by D contribute to E[e^(itL)] at most
// |cos(t D / 2)| times what they contribute at t = 0. Summed over disjoint pairs of cells,
//   |E e^(itL)| <= 1 - sum of (mass in pairs) (1 - largest |cos(t D / 2)|).
// Near pairs: the two halves of one cell. If the cell is split into k equal parts first, t D / 2
// lies in [t x / k, t r x / k] with x and r of DecayCell; the right k keeps that below pi/2 however
// large t is, so this bound never grows again. Far pairs: cell i with cell i + n, two standard
// deviations away; much stronger while t D < pi, and useless afterwards.

#include <vector>

#include "privacy/exact_side.h"

namespace starling {

class Decay {
 public:
  Decay(const Side& side, double theta);

  // The smallest t (within a fifth) with integral over [t, infinity) of
  // |product of characteristic functions| / (pi t^2) dt <= e^log_tail; infinity if above `limit`.
  double truncation(double start, double log_tail, double limit);
  // Logarithm of that integral's bound at the t found.
  double log_tail() const { return log_tail_; }

 private:
  struct FarPair {
    double mass;
    double least;  // half of the loss difference
    double most;
  };
  struct Cells {
    double count;
    std::vector<std::vector<DecayCell>> near;
    std::vector<FarPair> far;
  };

  static std::vector<FarPair> choose_pairs(const std::vector<DecayCell>& cells, size_t distance);
  // The product is at most e^-exponent on [t, t_end], or for all larger t without t_end.
  double exponent(double t) const;
  double exponent(double t, double t_end) const;

  double mu_squared_;
  double log_tail_ = 0.0;
  std::vector<Cells> releases_;
};

}  // namespace starling
