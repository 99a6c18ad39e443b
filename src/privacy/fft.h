#pragma once
// Discrete Fourier transforms of real sequences whose length is a power of two.

#include <complex>
#include <vector>

namespace starling {

// X_j = sum_n x_n e^(-2 pi i j n / N) for j = 0..N/2; N >= 2.
std::vector<std::complex<double>> real_fft(const std::vector<double>& x);
// The inverse: x_n = 1/N sum_j X_j e^(+2 pi i j n / N), X given for j = 0..N/2.
std::vector<double> inverse_real_fft(const std::vector<std::complex<double>>& spectrum);

}  // namespace starling
