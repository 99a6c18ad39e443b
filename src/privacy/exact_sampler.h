#pragma once
// Samplers without rounding error. Every decision compares a uniform number, whose binary digits
// are drawn as far as they are needed, with another one or with a ratio of integers; there is no
// floating-point arithmetic. Karney (2016), "Sampling exactly from the normal distribution", ACM
// Transactions on Mathematical Software 42; Canonne, Kamath and Steinke (2020), "The discrete
// Gaussian for differential privacy".

#include <cstdint>
#include <iterator>
#include <vector>

#include "starling/core/random.h"

namespace starling {

// A number in [0, 1) of 64-bit digits, drawn when first read.
class LazyUniform {
 public:
  LazyUniform() = default;
  explicit LazyUniform(std::vector<uint64_t> digits);

 private:
  friend class ExactSampler;
  uint64_t first_ = 0;
  bool drawn_ = false;
  std::vector<uint64_t> rest_;
};

// numerator / denominator in [0, 1]; denominator at most 2^63.
struct Ratio {
  uint64_t numerator = 0;
  uint64_t denominator = 1;
};

// A positive number as an odd (or whole) mantissa over a power of two.
struct Dyadic {
  uint64_t mantissa = 0;
  int shift = 0;  // value = mantissa 2^-shift, shift >= 0

  // Errors: Error unless value lies in [2^-6, 2^50]; `name` says whose it is.
  static Dyadic of(double value, const char* name);
};

class ExactSampler {
 public:
  explicit ExactSampler(RandomStream& stream) : stream_(stream) {}
  ~ExactSampler();  // wipes the words that it holds
  ExactSampler(const ExactSampler&) = delete;
  ExactSampler& operator=(const ExactSampler&) = delete;

  // round(N(0, s^2)): Karney's algorithm N, the product rounded exactly to the nearest integer.
  int64_t rounded_normal(const Dyadic& s);
  // Probability proportional to exp(-n^2 / (2 s^2)): Karney's algorithm D.
  int64_t discrete_normal(const Dyadic& s);
  // Probability proportional to exp(-|n| / s): algorithm 2 of Canonne, Kamath and Steinke.
  int64_t discrete_laplace(const Dyadic& s);

  // The integer nearest to s (whole + fraction), whole below 16.
  int64_t rounded_product(const Dyadic& s, int64_t whole, LazyUniform& fraction);

 private:
  bool less(LazyUniform& a, LazyUniform& b);
  // Digits of `a` from index `from` on, read as a number in [0, 1), against a ratio.
  bool less(LazyUniform& a, const Ratio& b, size_t from = 0);
  // True with probability exp(-x).
  bool exponential_trial(const Ratio& x);
  bool half_trial();  // the same for 1/2
  bool odd_run(LazyUniform& last);
  // True with probability exp(-x (2 k + x) / (2 k + 2)): Karney's algorithm B.
  template <typename Number>
  bool karney_trial(int64_t k, Number& x);
  // True with probability exp(-x (2 k + x) / 2).
  template <typename Number>
  bool accept_fraction(int64_t k, Number& x);
  // Probability proportional to exp(-k^2 / 2), k >= 0.
  int64_t whole_part();
  uint64_t next() {
    if (position_ == std::size(words_)) refill();
    return words_[position_++];
  }
  void refill();
  uint64_t digit(LazyUniform& number, size_t index);
  // Uniform on 0..bound-1, bound >= 1.
  uint64_t below(uint64_t bound);
  bool coin() { return (next() >> 63) != 0; }

  RandomStream& stream_;
  uint64_t words_[256];
  size_t position_ = std::size(words_);
};

}  // namespace starling
