#pragma once
// The analytic Gaussian mechanism (Balle and Wang 2018, Theorem 8). Noise of standard deviation
// sigma times the L2 sensitivity gives exactly
//   delta(epsilon) = Phi(1/(2 sigma) - epsilon sigma) - e^epsilon Phi(-1/(2 sigma) - epsilon
//   sigma).
// Any composition of Gaussian mechanisms is one with sigma^-2 = sum sigma_i^-2.
// sigma in (0, infinity]; errors: InputError for anything outside the ranges named here.

namespace starling {

// epsilon >= 0. The logarithm keeps its digits where delta itself underflows or rounds to 1.
double gaussian_log_delta(double sigma, double epsilon);
double gaussian_delta(double sigma, double epsilon);
// delta in (0, 1]: the smallest epsilon >= 0, rounded up.
double gaussian_epsilon(double sigma, double delta);
// epsilon >= 0, delta in (0, 1): the smallest sigma, rounded up.
double gaussian_noise_multiplier(double epsilon, double delta);

}  // namespace starling
