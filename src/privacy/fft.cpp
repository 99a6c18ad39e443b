#include "privacy/fft.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "core/vector_targets.h"

namespace starling {
namespace {

using Complex = std::complex<double>;

// Real and imaginary parts apart, so that loops over them fill vector registers.
struct Parts {
  std::vector<double> re, im;
  explicit Parts(size_t size = 0) : re(size), im(size) {}
};

// e^(-pi i k / half) for k < half, every power of two after the other: that of `half` begins at
// index half - 1. Kept for the thread's next transforms.
const Parts& roots(size_t largest) {
  thread_local Parts table;
  for (size_t half = table.re.size() + 1; half <= largest; half *= 2) {
    for (size_t k = 0; k < half; ++k) {
      const double angle = -std::numbers::pi * static_cast<double>(k) / static_cast<double>(half);
      table.re.push_back(std::cos(angle));
      table.im.push_back(std::sin(angle));
    }
  }
  return table;
}

void reverse_bits(Parts& x) {
  const size_t n = x.re.size();
  for (size_t i = 1, j = 0; i < n; ++i) {
    size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      std::swap(x.re[i], x.re[j]);
      std::swap(x.im[i], x.im[j]);
    }
  }
}

// Joins transforms of `half` points two by two.
struct Join {
  STARLING_INLINE static void run(double* re, double* im, const double* root_re,
                                  const double* root_im, size_t size, size_t half) {
    for (size_t start = 0; start < size; start += 2 * half) {
      double *low_re = re + start, *low_im = im + start;
      double *high_re = low_re + half, *high_im = low_im + half;
#pragma GCC ivdep
      for (size_t k = 0; k < half; ++k) {
        const double x = high_re[k] * root_re[k] - high_im[k] * root_im[k];
        const double y = high_re[k] * root_im[k] + high_im[k] * root_re[k];
        high_re[k] = low_re[k] - x;
        high_im[k] = low_im[k] - y;
        low_re[k] += x;
        low_im[k] += y;
      }
    }
  }
};

// Radix 2, in place.
void transform(Parts& x) {
  const size_t n = x.re.size();
  const Parts& root = roots(n);
  reverse_bits(x);
  for (size_t half = 1; half < n; half *= 2) {
    run_on<Join>(vector_target(), x.re.data(), x.im.data(), &root.re[half - 1], &root.im[half - 1],
                 n, half);
  }
}

}  // namespace

// Even and odd elements are the parts of one complex sequence of half the length.
std::vector<Complex> real_fft(const std::vector<double>& x) {
  const size_t half = x.size() / 2;
  Parts packed(half);
  for (size_t k = 0; k < half; ++k) {
    packed.re[k] = x[2 * k];
    packed.im[k] = x[2 * k + 1];
  }
  transform(packed);
  const Parts& root = roots(half);
  std::vector<Complex> spectrum(half + 1);
  for (size_t k = 0; k <= half; ++k) {
    const size_t i = k % half, j = (half - k) % half;
    const Complex a(packed.re[i], packed.im[i]), b(packed.re[j], -packed.im[j]);
    const Complex w = k < half ? Complex(root.re[half - 1 + k], root.im[half - 1 + k]) : -1.0;
    spectrum[k] = 0.5 * (a + b) + Complex(0.0, -0.5) * w * (a - b);
  }
  return spectrum;
}

std::vector<double> inverse_real_fft(const std::vector<Complex>& spectrum) {
  const size_t half = spectrum.size() - 1;
  const Parts& root = roots(half);
  Parts packed(half);
  for (size_t k = 0; k < half; ++k) {
    const Complex a = spectrum[k], b = std::conj(spectrum[half - k]);
    const Complex odd = Complex(root.re[half - 1 + k], -root.im[half - 1 + k]) * (a - b);
    // Conjugated, so that the forward transform inverts.
    const Complex value = std::conj(0.5 * (a + b) + Complex(0.0, 0.5) * odd);
    packed.re[k] = value.real();
    packed.im[k] = value.imag();
  }
  transform(packed);
  std::vector<double> x(2 * half);
  for (size_t k = 0; k < half; ++k) {
    x[2 * k] = packed.re[k] / static_cast<double>(half);
    x[2 * k + 1] = -packed.im[k] / static_cast<double>(half);
  }
  return x;
}

}  // namespace starling
