#pragma once
// What a bound means for an attacker who tests "was this record in the data?".
//
// A test has a type I error (a false alarm) and a type II error (a miss). (epsilon, delta)-DP
// bounds every test: type II >= max(0, 1 - delta - e^epsilon a, e^-epsilon (1 - delta - a)) at type
// I error a (Wasserman and Zhou 2010; Kairouz, Oh and Viswanath 2015). Over all epsilon of the
// curve delta(epsilon) this is the trade-off function of Dong, Roth and Su (2022).

#include <span>
#include <vector>

#include "starling/privacy/accountant.h"

namespace starling {

struct TradeOffPoint {
  double type_one = 0.0;
  double type_two = 0.0;  // no test has less at this type_one
};

// The lower bound on type II errors at each of `type_one` in [0, 1], from the accountant's
// delta(epsilon) at 0 and at 64 epsilons up to that of delta 1e-9; tight up to that grid.
// Errors: as Accountant::delta.
std::vector<TradeOffPoint> trade_off_curve(const Accountant& accountant,
                                           std::span<const Event> events, Relation relation,
                                           std::span<const double> type_one);

// Largest (true positive rate - false positive rate) of any membership test under one
// (epsilon, delta): (e^epsilon - 1 + 2 delta) / (e^epsilon + 1). epsilon >= 0, delta in [0, 1].
double membership_advantage(double epsilon, double delta);
// Largest true positive rate at a false positive rate in [0, 1].
double membership_true_positive_rate(double epsilon, double delta, double false_positive_rate);

// mu of the Gaussian that the composition's trade-off function tends to (central limit theorem;
// Bu, Dong, Long and Su 2020): sqrt(sum of q^2 T (e^(1/sigma^2) - 1)) over Poisson-sampled
// Gaussians, mu^2 exactly for unsampled ones. For information only: NOT a bound, it lies below the
// truth where steps are few or rates small. Errors: InputError naming any other event, and under
// replace_one.
double gdp_mu(std::span<const Event> events, Relation relation);
// epsilon of mu-GDP at delta; as little a bound as mu itself.
double gdp_epsilon_not_a_bound(double mu, double delta);

}  // namespace starling
