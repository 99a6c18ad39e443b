#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "privacy/rdp_terms.h"
#include "starling/core/error.h"
#include "starling/privacy/event_json.h"
#include "starling/privacy/rdp.h"

namespace starling {
namespace {

// Truncated negative binomial: eta > -1, gamma in (0, 1]. eta = 1 is geometric, 0 logarithmic.
struct NegativeBinomial {
  double eta;
  double gamma;

  double mean() const {
    if (gamma == 1.0) return 1.0;
    const double log_gamma = std::log(gamma);
    if (std::abs(eta) < 1e-12) return (1.0 / gamma - 1.0) / -log_gamma;
    return eta * (1.0 - gamma) / (gamma * -std::expm1(eta * log_gamma));
  }
};

double parameter(const SelectTerm& select, const std::string& place, size_t index, const char* name,
                 Interval allowed) {
  const double value = select.parameters[index];
  if (!allowed.contains(value)) {
    throw InputError(
        place, std::string(name) + " " + number_text(value) + " is outside " + allowed.text());
  }
  return value;
}

void expect_parameters(const SelectTerm& select, const std::string& place, size_t count) {
  if (select.parameters.size() == count) return;
  throw InputError(place, select.distribution + " takes " + std::to_string(count) +
                              " parameters, not " + std::to_string(select.parameters.size()));
}

NegativeBinomial read_negative_binomial(const SelectTerm& select, const std::string& place) {
  const Interval eta{-1.0, kInfinity, true, true};
  if (select.distribution == "negative_binomial") {
    expect_parameters(select, place, 2);
    return {parameter(select, place, 0, "eta", eta),
            parameter(select, place, 1, "gamma", kUnitOpenClosed)};
  }
  const bool geometric = select.distribution == "geometric";
  if (!geometric && select.distribution != "logarithmic") {
    throw InputError(place, "distribution \"" + select.distribution +
                                "\" is none of poisson, negative_binomial, geometric, logarithmic");
  }
  expect_parameters(select, place, 1);
  return {geometric ? 1.0 : 0.0, parameter(select, place, 0, "gamma", kUnitOpenClosed)};
}

// Theorem 2, the second order chosen freely in [1, infinity): 1 or one of the list.
std::vector<double> negative_binomial_rdp(const NegativeBinomial& law,
                                          std::span<const double> orders,
                                          std::span<const double> base) {
  double least = std::log(1.0 / law.gamma);
  for (size_t i = 0; i < orders.size(); ++i) {
    const double second = (1.0 - 1.0 / orders[i]) * base[i] + std::log(1.0 / law.gamma) / orders[i];
    least = std::min(least, second);
  }
  std::vector<double> rdp;
  for (size_t i = 0; i < orders.size(); ++i) {
    rdp.push_back(base[i] + (1.0 + law.eta) * least + std::log(law.mean()) / (orders[i] - 1.0));
  }
  return rdp;
}

// Theorem 6.
std::vector<double> poisson_rdp(double mean, std::span<const double> orders,
                                std::span<const double> base) {
  std::vector<double> rdp;
  for (size_t i = 0; i < orders.size(); ++i) {
    const double epsilon = std::log1p(1.0 / (orders[i] - 1.0));
    const double delta = delta_from_rdp(orders, base, epsilon).value;
    rdp.push_back(base[i] + mean * delta + std::log(mean) / (orders[i] - 1.0));
  }
  return rdp;
}

// Renyi divergence grows with the order, so a bound at a larger order holds at every smaller one.
void take_smallest_above(std::span<const double> orders, std::vector<double>& rdp) {
  std::vector<size_t> by_order(orders.size());
  std::iota(by_order.begin(), by_order.end(), size_t{0});
  std::sort(by_order.begin(), by_order.end(),
            [&](size_t a, size_t b) { return orders[a] > orders[b]; });
  double least = std::numeric_limits<double>::infinity();
  for (size_t i : by_order) {
    least = std::min(least, std::max(0.0, rdp[i]));
    rdp[i] = least;
  }
}

}  // namespace

std::vector<double> rdp_select(const SelectTerm& select, std::span<const double> orders,
                               std::span<const double> base, const std::string& place) {
  std::vector<double> rdp;
  if (select.distribution == "poisson") {
    expect_parameters(select, place, 1);
    rdp = poisson_rdp(parameter(select, place, 0, "mean", kPositive), orders, base);
  } else {
    rdp = negative_binomial_rdp(read_negative_binomial(select, place), orders, base);
  }
  for (double& value : rdp) value *= 1.0 + kRdpMargin;
  take_smallest_above(orders, rdp);
  return rdp;
}

}  // namespace starling
