#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "privacy/exact_curve.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMostWork = 4e6;  // masses, and products in them
constexpr double kMostCount = 1e5;
constexpr double kRounding = 4e-16;

// With `n` responses, of which m more tell one value than the other, the loss is m log(high/low).
class Responses : public DeltaCurve {
 public:
  Responses(const ResponseTerm& term, size_t count)
      : spacing_(std::log(term.high / term.low)), log_mass_(count + 1, -kInf) {
    log_factorial_.resize(count + 1, 0.0);
    for (size_t k = 2; k <= count; ++k)
      log_factorial_[k] = std::lgamma(1.0 + static_cast<double>(k));
    for (size_t m = 0; m <= count; ++m) log_mass_[m] = log_mass(term, m);
    const double n = static_cast<double>(count);
    error_ =
        kRounding * (10.0 + 8.0 * log_factorial_[count] + n * std::abs(std::log(term.low)) + n);
    shift_ = 1e-14 * n * spacing_;
  }

  double log_upper(double epsilon) const override {
    return std::min(0.0, log_delta(std::max(0.0, epsilon - shift_)) + error_);
  }
  double log_lower(double epsilon) const override {
    return log_delta(epsilon + shift_) - 2.0 * error_;
  }
  std::string method() const override { return "sum over all responses"; }

 private:
  // Of m more ups than downs: the sum over the number of downs.
  double log_mass(const ResponseTerm& term, size_t m) const {
    const size_t n = log_factorial_.size() - 1;
    const size_t most = (n - m) / 2;
    if (!(term.rest > 0.0)) return (n - m) % 2 == 0 ? log_part(term, m, most) : -kInf;
    std::vector<double> parts;
    for (size_t down = 0; down <= most; ++down) parts.push_back(log_part(term, m, down));
    return log_sum(parts);
  }

  double log_part(const ResponseTerm& term, size_t m, size_t down) const {
    const size_t n = log_factorial_.size() - 1, up = m + down, rest = n - up - down;
    const double stay = rest > 0 ? static_cast<double>(rest) * std::log(term.rest) : 0.0;
    return log_factorial_[n] - log_factorial_[up] - log_factorial_[down] - log_factorial_[rest] +
           static_cast<double>(up) * std::log(term.high) +
           static_cast<double>(down) * std::log(term.low) + stay;
  }

  static double log_sum(const std::vector<double>& parts) {
    if (parts.empty()) return -kInf;
    const double most = *std::max_element(parts.begin(), parts.end());
    if (most == -kInf) return -kInf;
    double total = 0.0;
    for (double part : parts) total += std::exp(part - most);
    return most + std::log(total);
  }

  double log_delta(double epsilon) const {
    std::vector<double> parts;
    const auto first = static_cast<size_t>(std::max(0.0, std::floor(epsilon / spacing_)));
    for (size_t m = first; m < log_mass_.size(); ++m) {
      const double away = epsilon - static_cast<double>(m) * spacing_;
      if (away < 0.0) parts.push_back(log_mass_[m] + std::log(-std::expm1(away)));
    }
    return log_sum(parts);
  }

  double spacing_, error_ = 0.0, shift_ = 0.0;
  std::vector<double> log_mass_, log_factorial_;
};

}  // namespace

std::unique_ptr<DeltaCurve> make_responses(const ResponseTerm& response, double count) {
  const double work = response.rest > 0.0 ? count * count / 4.0 : count;
  if (count > kMostCount || work > kMostWork) return nullptr;
  return std::make_unique<Responses>(response, static_cast<size_t>(count));
}

}  // namespace starling
