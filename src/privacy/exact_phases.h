#pragma once
// e^(itL) - 1 for every loss L of a quadrature, at t = 0, step, 2 step, ...

#include <complex>
#include <cstddef>
#include <vector>

namespace starling {

// From point to point by one complex product, and afresh in each block of points, so that rounding
// neither grows nor hides small losses. The same bits on every CPU.
class LossPhases {
 public:
  LossPhases(const std::vector<double>& losses, double step);

  void advance();
  // sum of weights times (e^(itL) - 1), and a bound on its rounding error if the weights add up to
  // 1 and `mean_size` is their mean of |L|.
  std::complex<double> sum(const std::vector<double>& weights) const;
  double rounding(double mean_size) const;
  double t() const { return static_cast<double>(point_) * step_; }

 private:
  const std::vector<double>& losses_;
  double step_;
  size_t point_ = 0;
  std::vector<double> re_, im_, turn_re_, turn_im_;
};

}  // namespace starling
