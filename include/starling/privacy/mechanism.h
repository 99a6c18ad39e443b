#pragma once
// Mechanisms that make a release private by noise. Each class comment is its definition: density,
// privacy theorem and the assumption on sensitivity. Neighbours and composition are the
// accountants' business (privacy/accountant.h); what a mechanism spends is the event that its
// comment names.
//
// "Fast" noise is floating-point: right to the precision of its type, and in principle open to
// attacks on the low bits of floating-point numbers (Mironov 2012). "Secure" noise is an integer
// from a sampler without any rounding error, added to a sum on an integer grid (core/grid.h), where
// such attacks find nothing.
//
// Errors: every constructor throws Error for parameters that are not positive and finite. There is
// no value that means "no noise".

#include <cstdint>
#include <span>
#include <vector>

#include "starling/core/grid.h"
#include "starling/core/random.h"
#include "starling/privacy/event.h"

namespace starling {

enum class NoiseKind { fast, secure };

// Gaussian mechanism: f(D) + N(0, s^2 I), density exp(-|z|^2 / (2 s^2)) / (2 pi s^2)^(d/2).
// Assumption: one record changes f by at most `clip` in L2. Then with noise_multiplier m = s / clip
// the release is Gaussian-DP with mu = 1 / m (Dong, Roth and Su 2022), and (epsilon, delta)-DP for
// delta(epsilon) = Phi(1/(2m) - epsilon m) - exp(epsilon) Phi(-1/(2m) - epsilon m) (Balle and Wang
// 2018, theorem 8). Event: GaussianMechanism{m}.
class GaussianNoise {
 public:
  // The standard deviation is noise_multiplier * clip, on the sum.
  GaussianNoise(double noise_multiplier, double clip);

  double standard_deviation() const { return standard_deviation_; }
  Event event() const;

  // values[i] += s z_i: fast.
  void add_fast(std::span<float> values, RandomStream& stream) const;
  void add_fast(std::span<double> values, RandomStream& stream) const;

  // sum[i] += round(N(0, (s 2^k)^2)) in grid steps. The grid sum is an integer vector, so this
  // equals rounding sum + N: post-processing of the Gaussian mechanism, with the same event,
  // sampled or not. Fast rounds a double-precision normal; secure draws the rounded normal exactly
  // (Karney 2016). Errors: Error where a coordinate would wrap; secure also where s 2^k is outside
  // [2^-6, 2^50].
  void add_fast(GridSum& sum, RandomStream& stream) const;
  void add_secure(GridSum& sum, RandomStream& stream) const;

 private:
  double noise_multiplier_;
  double standard_deviation_;
};

// Discrete Gaussian mechanism (Canonne, Kamath and Steinke 2020, definition 1): integer noise with
// probability proportional to exp(-n^2 / (2 s^2)), s in [2^-6, 2^50]. Assumption: one record
// changes an integer-valued f by at most `clip` in L2. Then the release is (1/2) (clip / s)^2-zCDP
// (theorem 14). Its sums are not discrete Gaussian, and no sampling theorem is offered for it.
// Event: DiscreteGaussianMechanism{s / clip}, unsampled. The sampler is exact: Karney's algorithm
// D.
class DiscreteGaussianNoise {
 public:
  DiscreteGaussianNoise(double noise_multiplier, double clip);

  double standard_deviation() const { return standard_deviation_; }
  double zcdp() const;  // rho of one release
  Event event() const;
  // Errors: Error where a value would wrap.
  void add_secure(std::span<int64_t> values, RandomStream& stream) const;

 private:
  double noise_multiplier_;
  double standard_deviation_;
};

// Laplace mechanism (Dwork, McSherry, Nissim and Smith 2006): f(D)_i + z_i, density
// exp(-|z| / b) / (2 b). Assumption: one record changes f by at most `l1_sensitivity` in L1 (an L2
// clip C allows sqrt(d) C). With b = l1_sensitivity / epsilon the release is epsilon-DP, delta 0.
// Event: LaplaceMechanism{b / l1_sensitivity}.
class LaplaceNoise {
 public:
  LaplaceNoise(double l1_sensitivity, double epsilon);

  double scale() const { return scale_; }
  Event event() const;
  void add_fast(std::span<double> values, RandomStream& stream) const;

 private:
  double sensitivity_;
  double scale_;
};

// Discrete Laplace or geometric mechanism (Ghosh, Roughgarden and Sundararajan 2009): integer noise
// with probability tanh(1 / (2 b)) exp(-|n| / b), b in [2^-6, 2^50]. Assumption: one record changes
// an integer-valued f by at most `l1_sensitivity`, an integer, in L1. With b = l1_sensitivity /
// epsilon the release is epsilon-DP: probabilities at distance t differ by at most exp(t / b).
// Event: RandomizedResponseMechanism{exp(epsilon) / (1 + exp(epsilon)), 2}, which every epsilon-DP
// mechanism is a post-processing of (Kairouz, Oh and Viswanath 2015); the continuous Laplace event
// would claim too much. The sampler is exact: algorithm 2 of Canonne, Kamath and Steinke 2020.
class DiscreteLaplaceNoise {
 public:
  DiscreteLaplaceNoise(int64_t l1_sensitivity, double epsilon);

  double scale() const { return scale_; }
  Event event() const;
  // Errors: Error where a value would wrap.
  void add_secure(std::span<int64_t> values, RandomStream& stream) const;

 private:
  double epsilon_;
  double scale_;
};

// Randomised response (Warner 1965) over k categories: the true one with probability p, every other
// one with (1 - p) / (k - 1). Each answer is epsilon-DP for its giver (local model) with epsilon =
// |log(p (k - 1) / (1 - p))|. Event: RandomizedResponseMechanism{p, k}.
class RandomizedResponse {
 public:
  // probability in (0, 1), categories >= 2.
  RandomizedResponse(double probability, int64_t categories);
  // p = exp(epsilon) / (exp(epsilon) + k - 1), rounded so that epsilon() never passes `epsilon`.
  static RandomizedResponse from_epsilon(double epsilon, int64_t categories);

  double probability() const { return probability_; }
  double epsilon() const;
  Event event() const;
  // Errors: Error where `truth` is outside 0..categories-1.
  int64_t respond(int64_t truth, RandomStream& stream) const;
  // Unbiased estimates of how many givers hold each category, from the counts of their answers;
  // they may be negative. Errors: Error where p = 1 / k, when answers say nothing.
  std::vector<double> estimate(std::span<const int64_t> counts) const;

 private:
  double probability_;
  int64_t categories_;
};

}  // namespace starling
