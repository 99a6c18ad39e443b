#include "starling/privacy/tradeoff.h"

#include <algorithm>
#include <cmath>

#include "privacy/terms.h"
#include "starling/core/error.h"
#include "starling/privacy/event_json.h"
#include "starling/privacy/gaussian.h"

namespace starling {
namespace {

constexpr int kGrid = 64;
constexpr double kSmallestDelta = 1e-9;

double type_two(const PrivacyBound& bound, double type_one) {
  const double hit = 1.0 - bound.delta;
  return std::max(
      {0.0, hit - std::exp(bound.epsilon) * type_one, std::exp(-bound.epsilon) * (hit - type_one)});
}

double gdp_mu_squared(const Term& term) {
  if (const auto* gaussian = std::get_if<GaussianTerm>(&term.kind)) {
    return term.count * gaussian->mu_squared;
  }
  const auto* poisson = std::get_if<PoissonGaussianTerm>(&term.kind);
  if (!poisson || poisson->replace) {
    throw InputError(term.place,
                     "has no Gaussian limit here; only Gaussian releases under "
                     "zero_out and add_remove have");
  }
  return term.count * poisson->rate * poisson->rate *
         std::expm1(1.0 / (poisson->sigma * poisson->sigma));
}

}  // namespace

std::vector<TradeOffPoint> trade_off_curve(const Accountant& accountant,
                                           std::span<const Event> events, Relation relation,
                                           std::span<const double> type_one) {
  const double largest = accountant.epsilon(events, relation, kSmallestDelta).epsilon;
  std::vector<PrivacyBound> bounds{accountant.delta(events, relation, 0.0)};
  for (int i = 1; i <= kGrid && largest > 0.0 && std::isfinite(largest); ++i) {
    bounds.push_back(accountant.delta(events, relation, largest * i / kGrid));
  }
  std::vector<TradeOffPoint> curve;
  for (double error : type_one) {
    if (!kUnit.contains(error)) {
      throw InputError("type I error", number_text(error) + " is outside [0, 1]");
    }
    TradeOffPoint point{error, 0.0};
    for (const PrivacyBound& bound : bounds) {
      point.type_two = std::max(point.type_two, type_two(bound, error));
    }
    curve.push_back(point);
  }
  return curve;
}

double membership_advantage(double epsilon, double delta) {
  check_epsilon(epsilon);
  check_delta(delta);
  // tanh(epsilon / 2) + 2 delta / (e^epsilon + 1), which does not overflow.
  return std::min(1.0, std::tanh(0.5 * epsilon) + 2.0 * delta / (std::exp(epsilon) + 1.0));
}

double membership_true_positive_rate(double epsilon, double delta, double false_positive_rate) {
  check_epsilon(epsilon);
  check_delta(delta);
  if (!kUnit.contains(false_positive_rate)) {
    throw InputError("false positive rate",
                     number_text(false_positive_rate) + " is outside [0, 1]");
  }
  if (std::isinf(epsilon)) return 1.0;
  return 1.0 - type_two({epsilon, delta, 0.0, ""}, false_positive_rate);
}

double gdp_mu(std::span<const Event> events, Relation relation) {
  double total = 0.0;
  for (const Term& term : resolve_terms(events, relation)) total += gdp_mu_squared(term);
  return std::sqrt(total);
}

double gdp_epsilon_not_a_bound(double mu, double delta) {
  return mu == 0.0 ? 0.0 : gaussian_epsilon(1.0 / mu, delta);
}

}  // namespace starling
