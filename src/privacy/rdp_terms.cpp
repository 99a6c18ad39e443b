#include "privacy/rdp_terms.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// e^x - 1 - x >= 0.
double expm1_excess(double x) {
  if (std::abs(x) > 0.02) return std::expm1(x) - x;
  return x * x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0))));
}

// Poisson-sampled: sum_k C(n,k) (1-q)^(n-k) q^k E_Q[(P/Q)^k]. The opposite direction is smaller,
// since reflection exchanges P and Q (Mironov, Talwar and Zhang 2019, Theorem 5).
double sampled_laplace_whole(const LaplaceTerm& term, int n) {
  double total = -kInf;
  for (int k = 2; k <= n; ++k) {
    const double log_moment = log_laplace_moment(term.scale, k);
    if (log_moment <= 0.0) continue;
    const double binomial = std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0);
    total = log_add_exp(total, binomial + (n - k) * std::log1p(-term.rate) +
                                   k * std::log(term.rate) + log_expm1(log_moment));
  }
  const double log_moment = total < 1.0 ? std::log1p(std::exp(total)) : log_add_exp(total, 0.0);
  return log_moment / (n - 1.0);
}

double rdp_of_kind(const TermKind& kind, double order) {
  if (const auto* gaussian = std::get_if<GaussianTerm>(&kind)) {
    return order * gaussian->mu_squared / 2.0;
  }
  if (const auto* zcdp = std::get_if<ZcdpTerm>(&kind)) return order * zcdp->rho;
  if (const auto* laplace = std::get_if<LaplaceTerm>(&kind)) return rdp_laplace(*laplace, order);
  if (const auto* response = std::get_if<ResponseTerm>(&kind)) {
    return rdp_response(*response, order);
  }
  return kInf;
}

std::vector<double> rdp_of_selection(const SelectTerm& select, std::span<const double> orders,
                                     const std::string& place) {
  std::vector<double> base(orders.size(), 0.0);
  for (const Term& term : select.base) {
    const std::vector<double> rdp = rdp_of_term(term, orders);
    for (size_t i = 0; i < base.size(); ++i) base[i] += rdp[i];
  }
  return rdp_select(select, orders, base, place);
}

std::vector<double> rdp_of_one(const Term& term, std::span<const double> orders) {
  if (const auto* poisson = std::get_if<PoissonGaussianTerm>(&term.kind)) {
    return rdp_poisson_gaussian(*poisson, orders);
  }
  if (const auto* fixed = std::get_if<WithoutReplacementTerm>(&term.kind)) {
    return rdp_without_replacement(*fixed, orders);
  }
  if (const auto* select = std::get_if<SelectTerm>(&term.kind)) {
    return rdp_of_selection(*select, orders, term.place);
  }
  std::vector<double> rdp;
  for (double order : orders) rdp.push_back(rdp_of_kind(term.kind, order) * (1.0 + kRdpMargin));
  return rdp;
}

}  // namespace

// a/(2a-1) e^((a-1)/b) + (a-1)/(2a-1) e^(-a/b).
double log_laplace_moment(double scale, double a) {
  const double up = (a - 1.0) / scale, down = -a / scale;
  const double share = a / (2.0 * a - 1.0);
  if (up > 500.0) return up + std::log(share);
  return std::log1p(share * expm1_excess(up) + (1.0 - share) * expm1_excess(down));
}

double rdp_laplace(const LaplaceTerm& term, double order) {
  const double unsampled = log_laplace_moment(term.scale, order) / (order - 1.0);
  if (term.rate == 1.0 || order > 1e4) return unsampled;
  const int below = static_cast<int>(std::floor(order));
  const double low = below < 2 ? 0.0 : sampled_laplace_whole(term, below);
  if (order == below) return std::min(unsampled, low);
  return std::min(unsampled, rdp_chord(order, low, sampled_laplace_whole(term, below + 1)));
}

double rdp_response(const ResponseTerm& term, double order) {
  const double x = (order - 1.0) * std::log(term.high / term.low);
  if (x > 500.0) return (x + std::log(term.high)) / (order - 1.0) + 1e-200;
  const double excess = term.high * std::expm1(x) + term.low * std::expm1(-x);
  return std::log1p(excess) / (order - 1.0);
}

std::vector<double> rdp_of_term(const Term& term, std::span<const double> orders) {
  std::vector<double> rdp = rdp_of_one(term, orders);
  for (double& value : rdp) value *= term.count;
  return rdp;
}

}  // namespace starling
