#pragma once
// Characteristic functions of a quadrature at t = 0, step, 2 step, ...

#include <complex>
#include <cstddef>
#include <span>
#include <vector>

namespace starling {

// sums[w][j] = sum over k of weights[w][k] (e^(i t_j loss_k) - 1), t_j = j step; one or two lists
// of weights, each as long as `losses`. The same bits on every CPU.
std::vector<std::vector<std::complex<double>>> phase_sums(
    const std::vector<double>& losses, const std::vector<const std::vector<double>*>& weights,
    double step, size_t points);

// Rounding errors of the sums, relative to the sum of weights, and at t if `mean_size` is the
// weighted mean of |loss|.
constexpr double kPhaseRounding = 4e-14;
double phase_rounding(double t, double mean_size);

}  // namespace starling
