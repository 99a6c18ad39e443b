#pragma once
// RDP of single terms. Each function returns values that are not below the bound they stand for:
// rounding is covered by kRdpMargin.

#include <span>
#include <vector>

#include "privacy/terms.h"

namespace starling {

// Relative; the sums below err by less than a hundredth of it.
inline constexpr double kRdpMargin = 1e-11;

// count * RDP of one term at each order.
std::vector<double> rdp_of_term(const Term& term, std::span<const double> orders);

std::vector<double> rdp_poisson_gaussian(const PoissonGaussianTerm& term,
                                         std::span<const double> orders);
std::vector<double> rdp_without_replacement(const WithoutReplacementTerm& term,
                                            std::span<const double> orders);
// log E_Q[(P/Q)^order], unsampled.
double log_laplace_moment(double scale, double order);
double rdp_laplace(const LaplaceTerm& term, double order);
double rdp_response(const ResponseTerm& term, double order);
// `base` is the RDP of the repeated event at `orders`.
std::vector<double> rdp_select(const SelectTerm& term, std::span<const double> orders,
                               std::span<const double> base, const std::string& place);

// The function a -> (a - 1) RDP(a) is convex, so that between two orders its chord bounds it:
// RDP at `order` from the whole orders below and above.
double rdp_chord(double order, double rdp_below, double rdp_above);

}  // namespace starling
