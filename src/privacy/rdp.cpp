#include "starling/privacy/rdp.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "privacy/rdp_terms.h"
#include "privacy/terms.h"
#include "starling/core/error.h"
#include "starling/privacy/event_json.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kSmallestOrder = 1.01;
constexpr int64_t kLargestGroup = int64_t{1} << 20;

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

// The term for a group of `examples` records where that is a term of the same kind.
std::optional<Term> group_term(Term term, double examples) {
  if (auto* gaussian = std::get_if<GaussianTerm>(&term.kind)) {
    gaussian->mu_squared *= examples * examples;
    return term;
  }
  if (auto* zcdp = std::get_if<ZcdpTerm>(&term.kind)) {
    zcdp->rho *= examples * examples;
    return term;
  }
  auto* laplace = std::get_if<LaplaceTerm>(&term.kind);
  if (!laplace || laplace->rate < 1.0) return std::nullopt;
  laplace->scale /= examples;
  return term;
}

// Mironov 2017, Corollary 4, once for each doubling of the group.
std::vector<double> doubled_rdp(const Term& term, int doublings, std::span<const double> orders) {
  std::vector<double> reached(orders.begin(), orders.end());
  std::vector<double> factors(orders.size(), 1.0);
  for (int i = 0; i < doublings; ++i) {
    for (size_t k = 0; k < orders.size(); ++k) {
      factors[k] *= 2.0 + 0.5 / (reached[k] - 1.0);
      reached[k] *= 2.0;
    }
  }
  std::vector<double> rdp = rdp_of_term(term, reached);
  for (size_t k = 0; k < rdp.size(); ++k) rdp[k] *= factors[k] * (1.0 + kRdpMargin);
  return rdp;
}

int doublings_of(int64_t examples) {
  if (examples < 1 || examples > kLargestGroup) {
    throw InputError("examples of one person",
                     std::to_string(examples) + " is outside 1.." + std::to_string(kLargestGroup));
  }
  return std::bit_width(static_cast<uint64_t>(examples - 1));
}

std::vector<double> group_curve_of_terms(const std::vector<Term>& terms, int64_t examples,
                                         std::span<const double> orders) {
  const int doublings = doublings_of(examples);
  std::vector<double> total(orders.size(), 0.0);
  for (const Term& term : terms) {
    const auto group = group_term(term, static_cast<double>(examples));
    const auto rdp = group ? rdp_of_term(*group, orders) : doubled_rdp(term, doublings, orders);
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
  explicit RdpAccountant(std::vector<double> orders, int64_t group = 1)
      : orders_(std::move(orders)), group_(group) {
    check_orders(orders_);
    doublings_of(group_);
  }

  std::string name() const override { return "rdp"; }

  PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                       double delta) const override {
    check_delta(delta);
    const std::vector<Term> terms = resolve_terms(events, relation);
    if (terms.empty() || delta == 1.0) return {0.0, delta, 0.0, "nothing is released"};
    RdpConversion best{static_cast<double>(group_) * pure_epsilon(terms), kInf};
    if (delta > 0.0) {
      const auto at_orders =
          epsilon_from_rdp(orders_, group_curve_of_terms(terms, group_, orders_), delta);
      if (at_orders.value <= best.value) best = at_orders;
    }
    return {best.value, delta, kInf, order_text(best)};
  }

  PrivacyBound delta(std::span<const Event> events, Relation relation,
                     double epsilon) const override {
    check_epsilon(epsilon);
    const std::vector<Term> terms = resolve_terms(events, relation);
    if (terms.empty()) return {epsilon, 0.0, 0.0, "nothing is released"};
    const double pure = static_cast<double>(group_) * pure_epsilon(terms);
    if (epsilon >= pure && pure < kInf) return {epsilon, 0.0, kInf, "order inf"};
    if (epsilon == kInf) return {epsilon, std::isfinite(least_rdp(terms)) ? 0.0 : 1.0, kInf, ""};
    const auto best =
        delta_from_rdp(orders_, group_curve_of_terms(terms, group_, orders_), epsilon);
    return {epsilon, best.value, kInf, order_text(best)};
  }

 private:
  double least_rdp(const std::vector<Term>& terms) const {
    const std::vector<double> curve = group_curve_of_terms(terms, group_, orders_);
    return *std::min_element(curve.begin(), curve.end());
  }

  static std::string order_text(const RdpConversion& conversion) {
    if (conversion.order > 0.0) return "order " + number_text(conversion.order);
    return "no order gives a bound";
  }

  std::vector<double> orders_;
  int64_t group_;
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

std::vector<double> group_rdp_curve(std::span<const Event> events, Relation relation,
                                    int64_t examples, std::span<const double> orders) {
  check_orders(orders);
  return group_curve_of_terms(resolve_terms(events, relation), examples, orders);
}

std::unique_ptr<Accountant> make_group_rdp_accountant(int64_t examples) {
  return std::make_unique<RdpAccountant>(default_rdp_orders(), examples);
}

std::unique_ptr<Accountant> make_rdp_accountant(std::vector<double> orders) {
  return std::make_unique<RdpAccountant>(std::move(orders));
}

}  // namespace starling
