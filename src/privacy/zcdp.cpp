#include "starling/privacy/zcdp.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "privacy/accountants.h"
#include "privacy/terms.h"
#include "starling/core/error.h"
#include "starling/privacy/event_json.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

double log_delta_at_order(double rho, double epsilon, double a) {
  return (a - 1.0) * (a * rho - epsilon) + a * std::log1p(-1.0 / a) - std::log(a - 1.0);
}

double rho_of(const Term& term) {
  if (const auto* gaussian = std::get_if<GaussianTerm>(&term.kind)) {
    return term.count * gaussian->mu_squared / 2.0;
  }
  if (const auto* discrete = std::get_if<ZcdpTerm>(&term.kind)) return term.count * discrete->rho;
  if (std::holds_alternative<UnboundedTerm>(term.kind)) return kInf;
  const double loss = largest_loss(term.kind);
  if (std::isfinite(loss)) return term.count * loss * loss / 2.0;
  throw InputError(term.place, "has no zCDP bound; use accountant exact or rdp");
}

class ZcdpAccountant : public Accountant {
 public:
  std::string name() const override { return "zcdp"; }

  PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                       double delta) const override {
    check_delta(delta);
    const double rho = zcdp_rho(events, relation);
    if (rho == 0.0 || delta == 1.0) return {0.0, delta, 0.0, "rho " + number_text(rho)};
    const double epsilon = delta == 0.0 || rho == kInf ? kInf : zcdp_epsilon(rho, delta);
    return {epsilon, delta, kInf, "rho " + number_text(rho)};
  }

  PrivacyBound delta(std::span<const Event> events, Relation relation,
                     double epsilon) const override {
    check_epsilon(epsilon);
    const double rho = zcdp_rho(events, relation);
    const double delta = rho == kInf ? 1.0 : zcdp_delta(rho, epsilon);
    return {epsilon, delta, kInf, "rho " + number_text(rho)};
  }
};

}  // namespace

// The derivative of log delta by the order, (2a - 1) rho - epsilon + log(1 - 1/a), grows with a.
double zcdp_log_delta(double rho, double epsilon) {
  if (!(rho >= 0.0)) throw InputError("rho", number_text(rho) + " is outside [0, inf]");
  check_epsilon(epsilon);
  if (rho == 0.0 || epsilon == kInf) return -kInf;
  const auto slope = [&](double a) {
    return (2.0 * a - 1.0) * rho - epsilon + std::log1p(-1.0 / a);
  };
  double low = 0.0, high = (epsilon + 1.0) / (2.0 * rho) + 2.0;  // of a - 1
  while (slope(1.0 + high) < 0.0) high *= 2.0;
  for (int i = 0; i < 120; ++i) {
    const double middle = 0.5 * (low + high);
    (slope(1.0 + middle) < 0.0 ? low : high) = middle;
  }
  return std::min(0.0, log_delta_at_order(rho, epsilon, 1.0 + std::max(high, 1e-12)));
}

double zcdp_delta(double rho, double epsilon) { return std::exp(zcdp_log_delta(rho, epsilon)); }

double zcdp_epsilon(double rho, double delta) {
  check_delta(delta);
  if (delta == 0.0) throw InputError("delta", "0 is outside (0, 1]");
  const double target = std::log(delta);
  if (rho == 0.0 || zcdp_log_delta(rho, 0.0) <= target) return 0.0;
  double low = 0.0, high = rho + 2.0 * std::sqrt(rho * -target) + 1e-300;
  while (zcdp_log_delta(rho, high) > target) high *= 2.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (zcdp_log_delta(rho, middle) > target ? low : high) = middle;
  }
  return high;
}

double zcdp_rho(std::span<const Event> events, Relation relation) {
  double rho = 0.0;
  for (const Term& term : resolve_terms(events, relation)) rho += rho_of(term);
  return rho;
}

std::unique_ptr<Accountant> make_zcdp_accountant() { return std::make_unique<ZcdpAccountant>(); }

}  // namespace starling
