#include "privacy/fft.h"

#include <cmath>
#include <numbers>

namespace starling {
namespace {

using Complex = std::complex<double>;

// e^(-2 pi i k / n) for k < n/2.
std::vector<Complex> roots(size_t n) {
  std::vector<Complex> table(n / 2);
  for (size_t k = 0; k < table.size(); ++k) {
    table[k] =
        std::polar(1.0, -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n));
  }
  return table;
}

void reverse_bits(std::vector<Complex>& x) {
  const size_t n = x.size();
  for (size_t i = 1, j = 0; i < n; ++i) {
    size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
}

// Radix 2, in place; `table` belongs to a length of n * stride.
void transform(std::vector<Complex>& x, const std::vector<Complex>& table, size_t stride) {
  const size_t n = x.size();
  reverse_bits(x);
  for (size_t half = 1; half < n; half *= 2) {
    const size_t skip = stride * (n / (2 * half));
    for (size_t start = 0; start < n; start += 2 * half) {
      Complex* low = &x[start];
      Complex* high = low + half;
      for (size_t k = 0; k < half; ++k) {
        const Complex w = table[k * skip];
        const double re = high[k].real() * w.real() - high[k].imag() * w.imag();
        const double im = high[k].real() * w.imag() + high[k].imag() * w.real();
        high[k] = {low[k].real() - re, low[k].imag() - im};
        low[k] = {low[k].real() + re, low[k].imag() + im};
      }
    }
  }
}

}  // namespace

// Even and odd elements are the parts of one complex sequence of half the length.
std::vector<Complex> real_fft(const std::vector<double>& x) {
  const size_t n = x.size(), half = n / 2;
  const std::vector<Complex> table = roots(n);
  std::vector<Complex> packed(half);
  for (size_t k = 0; k < half; ++k) packed[k] = {x[2 * k], x[2 * k + 1]};
  transform(packed, table, 2);
  std::vector<Complex> spectrum(half + 1);
  for (size_t k = 0; k <= half; ++k) {
    const Complex a = packed[k % half], b = std::conj(packed[(half - k) % half]);
    const Complex w = k < half ? table[k] : Complex(-1.0, 0.0);
    spectrum[k] = 0.5 * (a + b) + Complex(0.0, -0.5) * w * (a - b);
  }
  return spectrum;
}

std::vector<double> inverse_real_fft(const std::vector<Complex>& spectrum) {
  const size_t half = spectrum.size() - 1, n = 2 * half;
  const std::vector<Complex> table = roots(n);
  std::vector<Complex> packed(half);
  for (size_t k = 0; k < half; ++k) {
    const Complex a = spectrum[k], b = std::conj(spectrum[half - k]);
    const Complex odd = std::conj(table[k]) * (a - b);
    // Conjugated, so that the forward transform inverts.
    packed[k] = std::conj(0.5 * (a + b) + Complex(0.0, 0.5) * odd);
  }
  transform(packed, table, 2);
  std::vector<double> x(n);
  for (size_t k = 0; k < half; ++k) {
    x[2 * k] = packed[k].real() / static_cast<double>(half);
    x[2 * k + 1] = -packed[k].imag() / static_cast<double>(half);
  }
  return x;
}

}  // namespace starling
