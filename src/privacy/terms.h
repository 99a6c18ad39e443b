#pragma once
// Events after validation, with relation and sampling resolved into the pair of output
// distributions (P, Q) whose divergence bounds that of every two neighbours.
//
// noise_multiplier of an event is noise standard deviation / clip. Under zero_out and add_remove
// the sensitivity is one clip, under replace_one two; the terms below are in units of the pair.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "starling/privacy/event.h"

namespace starling {

// N(mu, 1) against N(0, 1); unsampled Gaussians, trees and adaptive clipping. mu^2 adds up.
struct GaussianTerm {
  double mu_squared = 0.0;
};
// (1-q) N(0, s^2) + q N(1, s^2) against N(0, s^2), both directions; under `replace` against
// (1-q) N(0, s^2) + q N(-1, s^2). 0 < q < 1, 0 < s < infinity.
struct PoissonGaussianTerm {
  double rate = 0.0;
  double sigma = 0.0;
  bool replace = false;
};
// Laplace noise of `scale` on a shift of 1, kept with probability `rate` in (0, 1].
struct LaplaceTerm {
  double scale = 0.0;
  double rate = 1.0;
};
// Two outcomes swap the probabilities `high` >= `low` > 0; all others, together of probability
// `rest`, are as likely on both sides.
struct ResponseTerm {
  double high = 0.0;
  double low = 0.0;
  double rest = 0.0;
};
// Renyi bounds only. The discrete Gaussian satisfies rho-zCDP.
struct ZcdpTerm {
  double rho = 0.0;
};
// Gaussian on a fixed-size sample, replace_one; sigma is noise standard deviation / (2 clip).
struct WithoutReplacementTerm {
  double rate = 0.0;
  double sigma = 0.0;
};
struct Term;
struct SelectTerm {
  std::vector<Term> base;
  std::string distribution;
  std::vector<double> parameters;
};
// No bound: epsilon is infinite for every delta < 1.
struct UnboundedTerm {};

using TermKind = std::variant<GaussianTerm, PoissonGaussianTerm, LaplaceTerm, ResponseTerm,
                              ZcdpTerm, WithoutReplacementTerm, SelectTerm, UnboundedTerm>;

struct Term {
  TermKind kind;
  double count = 1.0;
  std::string place;     // "event 3 (tree)", for errors
  bool relaxed = false;  // the term itself is an upper bound (a tree's sensitivity)
};

// Terms with count 0 or that release nothing are left out; equal neighbours are merged.
// Errors: InputError naming the event, its field, the value and the allowed range, and where a
// combination of mechanism, sampling and relation has no proven bound.
std::vector<Term> resolve_terms(std::span<const Event> events, Relation relation);

// The largest privacy loss of one release, in either direction; infinity for all but Laplace and
// randomised response.
double largest_loss(const TermKind& kind);

// Errors: InputError unless the value is in the interval; `what` is "delta" or "epsilon".
void check_delta(double delta);
void check_epsilon(double epsilon);

}  // namespace starling
