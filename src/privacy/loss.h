#pragma once
// The privacy loss of one release: L = log(P(x) / Q(x)) for x drawn from P. For independent
// releases losses add up, and delta(epsilon) = E[(1 - e^(epsilon - L))_+] of the sum is exact.
//
// K(s) = log E[e^(s L)] is the cumulant generating function; the law tilted by theta has density
// e^(theta L - K(theta)) with respect to P.

#include <limits>
#include <memory>
#include <vector>

#include "privacy/terms.h"

namespace starling {

enum class Direction { remove, add, replace };
const char* direction_name(Direction direction);

// A tilt of theta >= 0, for a transform up to t_max. `log_count` is the logarithm of how often the
// release is composed: the relative error stays below e^-30 / count.
struct TiltRequest {
  double theta = 0.0;
  double t_max = 0.0;
  double log_count = 0.0;
  double most_nodes = 3e5;  // before those that do not matter are dropped
};

// A quadrature of the tilted law: E[e^((theta + it) L)] / E[e^(theta L)] is
// sum_k weight_k e^(i t loss_k) within `error` for |t| <= the t_max that it was made for.
struct TiltedNodes {
  std::vector<double> weight;
  std::vector<double> loss;
  double cumulant = 0.0;  // K(theta)
  double error = 0.0;
};

// The same for a law split in two, so that rare large losses, the *hits*, can be transformed apart.
// A loss at y is a hit with a probability that rises smoothly from 0 to 1 around the threshold;
// what is left is the rest:
//   E[e^((theta + it) L); rest] / E[e^(theta L); rest] = sum_k rest_k e^(i t loss_k) +- error,
//   E[e^((theta + it) L); hit] / E[e^(theta L); rest]  = sum_k hit_k e^(i t loss_k) +- hit_error.
struct SplitNodes {
  std::vector<double> place;  // y
  std::vector<double> loss;
  std::vector<double> rest;
  std::vector<double> hit;  // empty without hits
  double cumulant = 0.0;    // log E[e^(theta L); rest]
  double hits = 0.0;        // sum of hit_k
  double error = 0.0;
  double hit_error = 0.0;
  double at_end = 0.0;  // weight of the rest's last node
};

// The law split around the loss `threshold`, theta, t_max and log_count as for Loss::tilted(); it
// ends at `end`, one of the tops, where a sum of nodes is a little above the integral.
struct SplitRequest {
  double theta = 0.0;
  double t_max = 0.0;
  double log_count = 0.0;
  double threshold = 0.0;
  double end = 0.0;
  double most_nodes = 3e5;  // before those that do not matter are dropped
};

// A bound on |E[e^((theta + it) L); hit]| / E[e^(theta L); rest]: the integral moved up to some
// heights, at each of which the integrand is at most e^(growth - t argument) times that on the real
// line.
struct HitDecay {
  std::vector<double> log_hit;
  std::vector<double> growth;                  // [heights]
  std::vector<std::vector<double>> arguments;  // [heights][nodes]

  // Logarithm of the bound, for this and every larger t; -infinity without hits.
  double at(double t) const;
};

// A cell of the tilted law that holds at least `mass`, evenly spread, and within which the loss
// rises from `low` to `high` at a rate between 4 rise / width and `ratio` times that. Cells adjoin.
struct DecayCell {
  double mass = 0.0;
  double rise = 0.0;
  double ratio = 1.0;
  double low = 0.0;
  double high = 0.0;
};

struct LossAtom {
  double loss = 0.0;
  double log_mass = 0.0;
};

// One release in one direction. The law has atoms and a continuous part, parameterised by y in
// [low(), high()], in which the loss increases.
class Loss {
 public:
  virtual ~Loss() = default;

  // Without nodes and with an infinite error where they would be too many.
  virtual TiltedNodes tilted(const TiltRequest& request) const = 0;
  // Rare enormous losses can dominate K(theta) although they hardly matter: from here on, P's mass
  // of at most e^log_mass above top() counts as an infinite loss and is left out of the law.
  virtual void cut(double) {}
  // Where the law ends: at the cut, or, for the transform tilted by theta, from there on where the
  // tilted density is negligible, so that the end does not spoil the quadrature; infinity where
  // there is no such place near the cut, and K is then taken as infinite.
  virtual double top() const { return high(); }
  virtual double top(double, double) const { return high(); }
  // K(theta) of the law below `top` to about eight digits, quickly: calls share their quadrature.
  virtual double cumulant(double theta, double) const { return tilted({theta}).cumulant; }
  virtual double largest_theta() const { return 1e9; }
  // Losses above `loss`, if the law has a tail there, are rare hits: y >= rare_from().
  virtual void split(double) {}
  virtual double rare_from() const { return std::numeric_limits<double>::infinity(); }
  // The tilted law below `top`, roughly: a quadrature to predict with.
  virtual TiltedNodes rough_nodes(double theta, double) const { return tilted({theta}); }
  // E[e^(theta L)] over hits up to the cut, a little rounded up.
  virtual double rare_moment(double) const { return 0.0; }
  // By default nothing is a hit.
  virtual SplitNodes split_nodes(const SplitRequest& request) const;
  // The y beyond which a rest has less than e^-70 of a release's mass, and the share of the rest
  // at a loss.
  virtual double split_end(double) const { return high(); }
  virtual double rest_share(double, double) const { return 1.0; }
  // How fast the hits' transform decays; `nodes` are those of t_max 0.
  virtual HitDecay hit_decay(const SplitNodes&, double) const { return {}; }
  // Variance of the tilted loss, roughly.
  virtual double variance(double theta, double top) const;
  // Cells of about `width` natural units; empty where nothing is known.
  virtual std::vector<DecayCell> decay_cells(double theta, double cumulant, double width) const = 0;

  virtual bool has_density() const = 0;
  virtual double low() const = 0;
  virtual double high() const = 0;
  virtual double scale() const = 0;  // over which density and loss are smooth
  virtual double loss(double y) const = 0;
  virtual double place(double loss) const = 0;  // the inverse
  virtual double log_density(double y) const = 0;
  virtual std::vector<LossAtom> atoms() const = 0;
  // Where most of the mass gathers, and the distance of atoms (0: none).
  virtual double anchor() const = 0;
  virtual double atom_spacing() const = 0;
};

// Poisson-sampled Gaussian, Laplace and randomised response; `direction` as the term's pair has it.
std::unique_ptr<Loss> make_loss(const TermKind& kind, Direction direction);
std::unique_ptr<Loss> make_poisson_gaussian_loss(const PoissonGaussianTerm& term,
                                                 Direction direction);
std::unique_ptr<Loss> make_gaussian_loss(double mu_squared);
std::unique_ptr<Loss> make_laplace_loss(const LaplaceTerm& term, Direction direction);
std::unique_ptr<Loss> make_response_loss(const ResponseTerm& term);

}  // namespace starling
