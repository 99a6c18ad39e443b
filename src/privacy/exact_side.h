#pragma once
// All releases of a ledger in one direction: the sum of independent losses whose tail is wanted.

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "privacy/loss.h"

namespace starling {

struct Release {
  std::unique_ptr<Loss> loss;
  double count = 1.0;
};

struct Side {
  Direction direction = Direction::remove;
  double mu_squared = 0.0;  // of all Gaussian mechanisms together
  std::vector<Release> releases;

  double log_infinite = -1e300;  // logarithm of P's mass that counts as an infinite loss

  // Whether only outcomes with a hit (Loss::rare_from) are transformed. Those without one have
  // delta(epsilon) <= e^(log_rest - rest_theta epsilon); the others have mass e^log_hits.
  bool hits = false;
  bool rest = false;                                           // only outcomes without a hit
  double threshold = std::numeric_limits<double>::infinity();  // losses above are hits
  double log_hits = 0.0;
  double log_rest = -std::numeric_limits<double>::infinity();
  double rest_theta = 0.0;

  // Chooses the largest losses as hits, from `start` or less on, so that delta(epsilon) of outcomes
  // without any is at most e^log_mass. Such outcomes may hold nearly all of the mass: a transform
  // of everything would lose what matters in its rounding errors. False if there is no such choice.
  bool split_hits(double start, double epsilon, double log_mass);
  // Whether some release is split into hits and the rest.
  bool splits() const;
  // Cuts the rarest largest losses of every release, e^log_mass in all.
  void cut(double log_mass);
  double count() const;
  // K(theta) of the sum and its second derivative, to about eight digits a release; of the law that
  // the transform tilted by `transform_theta` sees, or of the law up to the cut without it.
  // With hits, of outcomes that have one (an upper bound).
  double cumulant(double theta) const;
  double cumulant(double theta, double transform_theta) const;
  double tilted_variance(double theta) const;
};

Side make_side(std::span<const Term> terms, Direction direction);

// For every theta > 0, delta(epsilon) <= e^(K(theta) - theta epsilon) theta^theta /
// (1 + theta)^(1 + theta): the logarithm of that factor.
double log_hinge_factor(double theta);

// Chernoff's bound at its best theta; `value` is epsilon for a given delta, or log delta for a
// given epsilon. `theta` is also near the saddle point of the contour integral.
struct Chernoff {
  double theta = 1.0;
  double value = 0.0;
};
Chernoff chernoff_epsilon(const Side& side, double log_delta);
Chernoff chernoff_log_delta(const Side& side, double epsilon);

// A period W such that the aliases of a transform with that period add at most `share` of `delta`
// at `epsilon` and above: delta(epsilon + k W) e^(theta k W), k != 0, bounded by 1 for negative k
// and by Chernoff at `second_theta` for positive k.
struct Period {
  double length = 0.0;
  double second_theta = 0.0;
  double second_cumulant = 0.0;
  double log_mass = 0.0;

  // Logarithm of the bound on the sum of aliases at epsilon.
  double log_aliases(double theta, double epsilon) const;
};
// `transform`: for a transform without a cut, else for a lattice.
Period choose_period(const Side& side, double theta, double epsilon, double log_delta,
                     double log_share, bool transform);

// The best tilt for a transform is not Chernoff's where rare large losses dominate that bound: of
// `theta` and some smaller ones, the one with the shortest period (times the width of the tilted
// law, if `scaled`, which is then the number of points of the contour integral) while e^(K - theta
// epsilon) stays within e^14 of delta.
double choose_theta(const Side& side, double theta, double epsilon, double log_delta, bool scaled);

}  // namespace starling
