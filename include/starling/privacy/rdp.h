#pragma once
// Renyi differential privacy (Mironov 2017). At order a > 1 a mechanism satisfies (a, r)-RDP where
// the Renyi divergence of its outputs on neighbours is at most r:
//   D_a(P || Q) = log E_Q[(P/Q)^a] / (a - 1) <= r.
// Composition adds r order by order. Every order gives a bound; the best of a list is taken.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "starling/privacy/accountant.h"

namespace starling {

// 1.1 to 10.9 in steps of 0.1, 11 to 63, then 128, 256, 512, 1024.
const std::vector<double>& default_rdp_orders();

// The composition's RDP at each order (> 1, finite), never below the bound that it stands for:
// Poisson-sampled Gaussian: D_a itself, by its finite sum at whole orders and by quadrature between
//   (Mironov, Talwar and Zhang 2019, Sections 3.1 and 3.3), under replace_one by quadrature;
// without replacement: Wang, Balle and Kasiviswanathan 2019, Theorem 27;
// select-and-repeat: Papernot and Steinke 2022, Theorems 2 and 6;
// discrete Gaussian: Canonne, Kamath and Steinke 2020, Theorem 4.
// Infinity where there is no bound. Errors: InputError naming the event.
std::vector<double> rdp_curve(std::span<const Event> events, Relation relation,
                              std::span<const double> orders);

struct RdpConversion {
  double value = 0.0;  // epsilon, or delta
  double order = 0.0;  // where the minimum lies
};

// Canonne, Kamath and Steinke 2020, Proposition 12 (also Balle et al. 2020, Theorem 21):
//   epsilon = r + log(1 - 1/a) - log(delta a) / (a - 1),
// and epsilon = 0 where delta >= sqrt(1 - e^-r), which bounds the total variation distance.
// Orders at or below 1.01 are left out: there the formula rounds badly.
RdpConversion epsilon_from_rdp(std::span<const double> orders, std::span<const double> rdp,
                               double delta);
RdpConversion delta_from_rdp(std::span<const double> orders, std::span<const double> rdp,
                             double epsilon);

// RDP of the composition for neighbours that differ in up to `examples` records, >= 1. Additive
// noise takes the group's sensitivity, `examples` times one record's: Gaussian and tree releases
// examples^2 times the RDP, unsampled Laplace a scale divided by `examples`; the discrete Gaussian
// examples^2 rho (Bun and Steinke 2016, Proposition 1.9). Everything else, sampled releases above
// all, takes Mironov 2017, Corollary 4,
//   D_a(P || Q) <= (a - 1/2) / (a - 1) D_2a(P || R) + D_(2a-1)(R || Q),
// c = ceil(log2 examples) times, which with D_(2a-1) <= D_2a gives
//   D_a(group) <= D_(2^c a)(one record) product over i < c of (2 + 1 / (2 (2^i a - 1))).
// His Proposition 2 has 3^c in place of the product, and a >= 2.
std::vector<double> group_rdp_curve(std::span<const Event> events, Relation relation,
                                    int64_t examples, std::span<const double> orders);

// rdp for such groups, over the default orders. Also at most `examples` times the largest loss of
// one record. Errors: InputError unless 1 <= examples <= 2^20.
std::unique_ptr<Accountant> make_group_rdp_accountant(int64_t examples);

// Minimises over `orders` instead of the default list. Errors: InputError unless every order is
// above 1 and finite.
std::unique_ptr<Accountant> make_rdp_accountant(std::vector<double> orders);

}  // namespace starling
