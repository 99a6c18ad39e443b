#pragma once
// Zero-concentrated differential privacy: rho-zCDP bounds the Renyi divergence of every order a > 1
// by a rho (Bun and Steinke 2016). Converted by Canonne, Kamath and Steinke 2020, Corollary 13:
//   delta = inf_{a > 1} e^((a-1)(a rho - epsilon)) / (a - 1) (1 - 1/a)^a.

#include <span>

#include "starling/privacy/event.h"

namespace starling {

// rho, epsilon >= 0. The logarithm is at most 0.
double zcdp_log_delta(double rho, double epsilon);
double zcdp_delta(double rho, double epsilon);
// delta in (0, 1]: rounded up.
double zcdp_epsilon(double rho, double delta);

// rho of a composition: unsampled Gaussian, discrete Gaussian and trees by their noise; Laplace and
// randomised response, which are e-DP, by e^2 / 2. Errors: InputError naming any other event.
double zcdp_rho(std::span<const Event> events, Relation relation);

}  // namespace starling
