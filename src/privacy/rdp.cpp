#include "starling/privacy/rdp.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "privacy/rdp_terms.h"
#include "privacy/terms.h"
#include "starling/core/error.h"
#include "starling/privacy/event_json.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kSmallestOrder = 1.01;

std::vector<double> make_default_orders() {
  std::vector<double> orders;
  for (int tenths = 11; tenths <= 109; ++tenths) orders.push_back(tenths / 10.0);
  for (int order = 11; order <= 63; ++order) orders.push_back(order);
  for (int order = 128; order <= 1024; order *= 2) orders.push_back(order);
  return orders;
}

void check_orders(std::span<const double> orders) {
  for (double order : orders) {
    if (!(order > 1.0 && std::isfinite(order))) {
      throw InputError("rdp order", number_text(order) + " is outside (1, inf)");
    }
  }
}

bool usable(double order, double rdp) { return order > kSmallestOrder && std::isfinite(rdp); }

std::vector<double> curve_of_terms(const std::vector<Term>& terms, std::span<const double> orders) {
  std::vector<double> total(orders.size(), 0.0);
  for (const Term& term : terms) {
    const std::vector<double> rdp = rdp_of_term(term, orders);
    for (size_t i = 0; i < total.size(); ++i) total[i] += rdp[i];
  }
  return total;
}

// RDP of order infinity.
double pure_epsilon(const std::vector<Term>& terms) {
  double total = 0.0;
  for (const Term& term : terms) total += term.count * largest_loss(term.kind);
  return total * (1.0 + kRdpMargin);
}

class RdpAccountant : public Accountant {
 public:
  explicit RdpAccountant(std::vector<double> orders) : orders_(std::move(orders)) {
    check_orders(orders_);
  }

  std::string name() const override { return "rdp"; }

  PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                       double delta) const override {
    check_delta(delta);
    const std::vector<Term> terms = resolve_terms(events, relation);
    if (terms.empty() || delta == 1.0) return {0.0, delta, 0.0, "nothing is released"};
    RdpConversion best{pure_epsilon(terms), kInf};
    if (delta > 0.0) {
      const auto at_orders = epsilon_from_rdp(orders_, curve_of_terms(terms, orders_), delta);
      if (at_orders.value <= best.value) best = at_orders;
    }
    return {best.value, delta, kInf, order_text(best)};
  }

  PrivacyBound delta(std::span<const Event> events, Relation relation,
                     double epsilon) const override {
    check_epsilon(epsilon);
    const std::vector<Term> terms = resolve_terms(events, relation);
    if (terms.empty()) return {epsilon, 0.0, 0.0, "nothing is released"};
    const double pure = pure_epsilon(terms);
    if (epsilon >= pure && pure < kInf) return {epsilon, 0.0, kInf, "order inf"};
    if (epsilon == kInf) return {epsilon, std::isfinite(least_rdp(terms)) ? 0.0 : 1.0, kInf, ""};
    const auto best = delta_from_rdp(orders_, curve_of_terms(terms, orders_), epsilon);
    return {epsilon, best.value, kInf, order_text(best)};
  }

 private:
  double least_rdp(const std::vector<Term>& terms) const {
    const std::vector<double> curve = curve_of_terms(terms, orders_);
    return *std::min_element(curve.begin(), curve.end());
  }

  static std::string order_text(const RdpConversion& conversion) {
    if (conversion.order > 0.0) return "order " + number_text(conversion.order);
    return "no order gives a bound";
  }

  std::vector<double> orders_;
};

}  // namespace

const std::vector<double>& default_rdp_orders() {
  static const std::vector<double> orders = make_default_orders();
  return orders;
}

std::vector<double> rdp_curve(std::span<const Event> events, Relation relation,
                              std::span<const double> orders) {
  check_orders(orders);
  return curve_of_terms(resolve_terms(events, relation), orders);
}

RdpConversion epsilon_from_rdp(std::span<const double> orders, std::span<const double> rdp,
                               double delta) {
  RdpConversion best{kInf, 0.0};
  for (size_t i = 0; i < orders.size(); ++i) {
    const double a = orders[i], r = rdp[i];
    if (!usable(a, r)) continue;
    double epsilon = r + std::log1p(-1.0 / a) - (std::log(delta) + std::log(a)) / (a - 1.0);
    if (delta * delta + std::expm1(-r) > 0.0) epsilon = 0.0;
    if (epsilon < best.value) best = {epsilon, a};
  }
  best.value = std::max(best.value, 0.0);
  return best;
}

RdpConversion delta_from_rdp(std::span<const double> orders, std::span<const double> rdp,
                             double epsilon) {
  RdpConversion best{0.0, 0.0};  // log delta
  for (size_t i = 0; i < orders.size(); ++i) {
    const double a = orders[i], r = rdp[i];
    if (!usable(a, r)) continue;
    double log_delta = (a - 1.0) * (r - epsilon + std::log1p(-1.0 / a)) - std::log(a);
    if (r > 0.0) log_delta = std::min(log_delta, 0.5 * std::log(-std::expm1(-r)));
    if (log_delta < best.value) best = {log_delta, a};
  }
  best.value = std::exp(best.value);
  return best;
}

std::unique_ptr<Accountant> make_rdp_accountant(std::vector<double> orders) {
  return std::make_unique<RdpAccountant>(std::move(orders));
}

}  // namespace starling
