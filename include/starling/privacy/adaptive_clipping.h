#pragma once
// Adaptive clipping (Andrew, Thakkar, McMahan and Ramaswamy 2021, "Differentially Private Learning
// with Adaptive Clipping", Theorem 1): each round releases the noised clipped sum and the noised
// count of contributions that were not clipped. With indicators centred at +-1/2 the count has
// sensitivity 1/2, so its noise sigma_b acts as the multiplier 2 sigma_b, and the pair is one
// Gaussian mechanism of multiplier z when the sum gets sigma = (z^-2 - (2 sigma_b)^-2)^(-1/2).

namespace starling {

// The sum's noise multiplier. Errors: InputError unless 0 < z < 2 sigma_b: otherwise the count
// alone spends more than the pair may.
double adaptive_clipping_noise_multiplier(double noise_multiplier, double bit_noise_multiplier);

}  // namespace starling
