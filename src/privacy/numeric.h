#pragma once
// Functions of one real variable that the accountants share, in forms that neither overflow nor
// cancel.

#include <complex>
#include <vector>

namespace starling {

// Gauss-Legendre nodes and weights on [0, 1].
struct GaussLegendre {
  std::vector<double> node;
  std::vector<double> weight;
};
GaussLegendre gauss_legendre(int points);

// log(e^a + e^b); infinities pass through.
double log_add_exp(double a, double b);
// log(1 + z) and e^z - 1, accurate for small z. Where 1 + z is 0, log(1e-15).
std::complex<double> log1p(std::complex<double> z);
std::complex<double> expm1(std::complex<double> z);
// log(e^x - 1), x > 0.
double log_expm1(double x);
// log(1 + (e^x - 1) / q): the privacy loss before Poisson sampling at rate q whose loss after it
// is x. Finite for every finite x >= 0 and q in (0, 1].
double log1p_expm1_over(double x, double q);
// e^(x^2) erfc(x), relative error below 1e-14 for x > -26.
double erfcx(double x);
// Logarithm of the standard normal distribution function, without underflow.
double log_normal_cdf(double x);

}  // namespace starling
