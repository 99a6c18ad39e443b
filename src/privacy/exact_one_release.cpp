#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "privacy/exact_curve.h"
#include "privacy/numeric.h"
#include "starling/privacy/gaussian.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// log delta with a bound on the relative error of delta.
struct LogValue {
  double log = -kInf;
  double relative_error = 1e-13;
};

LogValue gaussian_value(double sigma, double epsilon) {
  const double x = epsilon * sigma - 0.5 / sigma;
  const double error = 1e-13 + 1e-15 * x * x + 1e-15 * sigma * (1.0 + std::abs(x));
  return {gaussian_log_delta(sigma, epsilon), error};
}

double laplace_log_delta(double scale, double epsilon) {
  const double away = epsilon - 1.0 / scale;
  return away < 0.0 ? std::log(-std::expm1(0.5 * away)) : -kInf;
}

// Poisson sampling at rate q (Balle, Barthe and Gaboardi 2018, Theorem 8): with delta_0 of the
// unsampled pair, which reflection maps onto itself,
//   remove  delta(e) = q delta_0(log(1 + (e^e - 1) / q)),
//   add     delta(e) = e^e v delta_0(-log(v / q)), v = q - 1 + e^-e, and 0 where v <= 0.
template <class Unsampled>
LogValue sampled(double q, Direction direction, double epsilon, const Unsampled& unsampled) {
  if (q == 1.0) return unsampled(epsilon);
  if (direction == Direction::remove) {
    LogValue value = unsampled(log1p_expm1_over(epsilon, q));
    value.log += std::log(q);
    return value;
  }
  const double v = std::expm1(-epsilon) + q;
  if (!(v > 0.0)) return {};
  LogValue value = unsampled(std::max(0.0, std::log(q) - std::log(v)));
  value.log += epsilon + std::log(v);
  return value;
}

// (1-q) N(0) + q N(1) against (1-q) N(0) + q N(-1): P(y > u) - e^epsilon Q(y > u) at the point u
// where the loss is epsilon, every tail scaled by e^(u^2/2s^2).
LogValue replace_value(const PoissonGaussianTerm& term, double epsilon) {
  const auto loss = make_poisson_gaussian_loss(term, Direction::replace);
  const double s = term.sigma, q = term.rate, u = loss->place(epsilon);
  const double up = (2.0 * u - 1.0) / (2.0 * s * s), down = (-2.0 * u - 1.0) / (2.0 * s * s);
  if (up > 600.0 || epsilon > 600.0) return gaussian_value(0.5 * s, epsilon);
  const auto tail = [&](double y) { return 0.5 * erfcx(y / (s * std::numbers::sqrt2)); };
  const double stay = (1.0 - q) * -std::expm1(epsilon) * tail(u);
  const double gain = q * std::exp(up) * tail(u - 1.0);
  const double loss_back = q * std::exp(epsilon + down) * tail(u + 1.0);
  const double value = gain + stay - loss_back;
  const double error = 2e-14 * (gain + std::abs(stay) + loss_back) * (1.0 + std::abs(up) * 0.1);
  if (!(value > error)) return {std::log(2.0 * error) - u * u / (2.0 * s * s), 1.0};
  return {std::log(value) - u * u / (2.0 * s * s), error / value};
}

class OneRelease : public DeltaCurve {
 public:
  OneRelease(const TermKind& kind, Direction direction) : kind_(kind), direction_(direction) {}

  double log_upper(double epsilon) const override {
    const LogValue value = log_delta(epsilon);
    return std::min(0.0, value.log + value.relative_error);
  }
  double log_lower(double epsilon) const override {
    const LogValue value = log_delta(epsilon);
    return value.log - 2.0 * value.relative_error;
  }
  std::string method() const override { return "closed form"; }

 private:
  LogValue log_delta(double epsilon) const {
    if (const auto* gaussian = std::get_if<GaussianTerm>(&kind_)) {
      return gaussian_value(1.0 / std::sqrt(gaussian->mu_squared), epsilon);
    }
    if (const auto* laplace = std::get_if<LaplaceTerm>(&kind_)) {
      return sampled(laplace->rate, direction_, epsilon,
                     [&](double e) { return LogValue{laplace_log_delta(laplace->scale, e)}; });
    }
    if (const auto* poisson = std::get_if<PoissonGaussianTerm>(&kind_)) {
      if (direction_ == Direction::replace) return replace_value(*poisson, epsilon);
      return sampled(poisson->rate, direction_, epsilon,
                     [&](double e) { return gaussian_value(poisson->sigma, e); });
    }
    const ResponseTerm& response = std::get<ResponseTerm>(kind_);
    const double away = epsilon - std::log(response.high / response.low);
    if (!(away < 0.0)) return {};
    return {std::log(response.high) + std::log(-std::expm1(away))};
  }

  TermKind kind_;
  Direction direction_;
};

}  // namespace

std::unique_ptr<DeltaCurve> make_one_release(const TermKind& kind, Direction direction) {
  return std::make_unique<OneRelease>(kind, direction);
}

}  // namespace starling
