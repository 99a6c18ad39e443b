#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "privacy/numeric.h"
#include "privacy/rdp_terms.h"

namespace starling {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr int kLargestMoment = 256;

// log E_Q[(P/Q - 1)^l] for even l, P/Q = e^((2z-1)/2s^2), Q = N(0, s^2). This is the l-th forward
// difference of k -> e^(k(k-1)/2s^2) in a form whose terms are all positive. The integrand is
// entire; its aliases are below e^(-2 pi^2 s^2/h^2) E_Q[(P/Q + 1)^l].
double log_central_moment(double sigma, int l) {
  const double s2 = sigma * sigma;
  const double fineness = std::sqrt((40.0 + l * std::log(2.0 * sigma + 2.0)) / (2.0 * kPi * kPi));
  const double step = sigma / std::max(1.5, fineness);
  const double first = std::floor(-14.0 * sigma / step),
               last = std::ceil((l + 14.0 * sigma) / step);
  std::vector<double> logs;
  double high = -1e300;
  for (double k = first; k <= last; ++k) {
    const double z = k * step;
    const double exponent = (2.0 * z - 1.0) / (2.0 * s2);
    const double size = exponent > 0.0 ? log_expm1(exponent) : std::log(-std::expm1(exponent));
    logs.push_back(l * size - z * z / (2.0 * s2));
    high = std::max(high, logs.back());
  }
  double sum = 0.0;
  for (double value : logs) sum += std::exp(value - high);
  return high + std::log(sum * step / (sigma * std::sqrt(2.0 * kPi)));
}

// A(n) of Theorem 27: E_Q[(P/Q)^n] <= 1 + sum_{i>=2} C(n,i) q^i c_i with
// c_2 = min(4 (e^(1/s^2) - 1), 2 e^(1/s^2)) and
// c_i = min(4 sqrt(D_2floor(i/2) D_2ceil(i/2)), 2 e^(i(i-1)/2s^2)).
class Moments {
 public:
  explicit Moments(const WithoutReplacementTerm& term) : term_(term) {}

  // (n - 1) RDP(n).
  double log_moment(int n) {
    if (n == 1) return 0.0;
    const auto [place, fresh] = log_moments_.try_emplace(n, 0.0);
    if (fresh) place->second = compute(n);
    return place->second;
  }

 private:
  double compute(int n) {
    const double top = std::lgamma(n + 1.0);
    double total = -INFINITY;
    for (int i = 2; i <= n; ++i) {
      const double binomial = top - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0);
      total = log_add_exp(total, binomial + i * std::log(term_.rate) + log_coefficient(i));
    }
    return log_add_exp(0.0, total) > 1e-3 ? log_add_exp(0.0, total) : std::log1p(std::exp(total));
  }

  double log_coefficient(int i) {
    const double s2 = term_.sigma * term_.sigma;
    const double plain = std::log(2.0) + 0.5 * i * (i - 1.0) / s2;
    if (i == 2) return std::min(std::log(4.0) + log_expm1(1.0 / s2), plain);
    if (i > kLargestMoment) return plain;
    const double mean = 0.5 * (log_difference(i / 2 * 2) + log_difference((i + 1) / 2 * 2));
    return std::min(std::log(4.0) + mean, plain);
  }

  double log_difference(int l) {
    const auto [place, fresh] = log_differences_.try_emplace(l, 0.0);
    if (fresh) place->second = log_central_moment(term_.sigma, l);
    return place->second;
  }

  WithoutReplacementTerm term_;
  std::map<int, double> log_moments_;
  std::map<int, double> log_differences_;
};

}  // namespace

std::vector<double> rdp_without_replacement(const WithoutReplacementTerm& term,
                                            std::span<const double> orders) {
  Moments moments(term);
  std::vector<double> rdp;
  for (double order : orders) {
    double value = order / (2.0 * term.sigma * term.sigma);
    if (order <= 1e4) {
      const int below = static_cast<int>(std::floor(order));
      const double share = order - below;
      double log_moment = (1.0 - share) * moments.log_moment(below);
      if (share > 0.0) log_moment += share * moments.log_moment(below + 1);
      value = log_moment / (order - 1.0);
    }
    rdp.push_back(value * (1.0 + kRdpMargin));
  }
  return rdp;
}

}  // namespace starling
