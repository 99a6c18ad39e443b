#include "privacy/exact_sampler.h"

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "starling/core/error.h"

namespace starling {
namespace {

using Wide = unsigned __int128;

// P(k >= 16) is below exp(-128): a source of random bits that gets there is broken.
constexpr int64_t kWholeLimit = 16;

}  // namespace

LazyUniform::LazyUniform(std::vector<uint64_t> digits)
    : first_(digits.at(0)), drawn_(true), rest_(digits.begin() + 1, digits.end()) {}

ExactSampler::~ExactSampler() {
  for (uint64_t& word : words_) *const_cast<volatile uint64_t*>(&word) = 0;
}

void ExactSampler::refill() {
  stream_.fill(words_);
  position_ = 0;
}

uint64_t ExactSampler::digit(LazyUniform& number, size_t index) {
  if (index == 0) {
    if (!number.drawn_) {
      number.first_ = next();
      number.drawn_ = true;
    }
    return number.first_;
  }
  while (number.rest_.size() < index) number.rest_.push_back(next());
  return number.rest_[index - 1];
}

uint64_t ExactSampler::below(uint64_t bound) {
  for (;;) {
    const Wide product = static_cast<Wide>(next()) * bound;
    const auto low = static_cast<uint64_t>(product);
    if (low >= bound || low >= -bound % bound) return static_cast<uint64_t>(product >> 64);
  }
}

Dyadic Dyadic::of(double value, const char* name) {
  if (!(value >= 0x1p-6 && value <= 0x1p50)) {
    throw Error(std::string(name) + ": " + std::to_string(value) +
                " grid steps are outside [2^-6, 2^50]; choose a grid whose steps suit the noise");
  }
  int exponent = 0;
  const auto mantissa = static_cast<uint64_t>(std::ldexp(std::frexp(value, &exponent), 53));
  const int zeros = std::countr_zero(mantissa);
  const int shift = 53 - exponent - zeros;
  if (shift < 0) return {mantissa >> zeros << -shift, 0};
  return {mantissa >> zeros, shift};
}

bool ExactSampler::less(LazyUniform& a, LazyUniform& b) {
  for (size_t i = 0;; ++i) {
    const uint64_t left = digit(a, i);
    const uint64_t right = digit(b, i);
    if (left != right) return left < right;
  }
}

bool ExactSampler::less(LazyUniform& a, const Ratio& b, size_t from) {
  if (b.numerator >= b.denominator) return true;
  uint64_t numerator = b.numerator;
  for (size_t i = from; numerator != 0; ++i) {
    const Wide scaled = static_cast<Wide>(numerator) << 64;
    const auto threshold = static_cast<uint64_t>(scaled / b.denominator);
    const uint64_t found = digit(a, i);
    if (found != threshold) return found < threshold;
    numerator = static_cast<uint64_t>(scaled % b.denominator);
  }
  return false;
}

// Von Neumann: the length of a falling run that starts at x is even with probability exp(-x).
bool ExactSampler::exponential_trial(const Ratio& x) {
  LazyUniform first;
  return !less(first, x) || !odd_run(first);
}

bool ExactSampler::half_trial() {
  LazyUniform first;
  return digit(first, 0) >> 63 != 0 || !odd_run(first);
}

// Whether a falling run that goes on below `last`, itself included, has odd length.
bool ExactSampler::odd_run(LazyUniform& last) {
  for (bool odd = true;; odd = !odd) {
    LazyUniform next;
    if (!less(next, last)) return odd;
    last = std::move(next);
  }
}

template <typename Number>
bool ExactSampler::karney_trial(int64_t k, Number& x) {
  LazyUniform last;
  for (int64_t length = 0;; ++length) {
    const bool even = length % 2 == 0;
    LazyUniform next;
    if (!(length == 0 ? less(next, x) : less(next, last))) return even;
    const auto choice = static_cast<int64_t>(below(static_cast<uint64_t>(2 * k + 2)));
    if (choice == 2 * k + 1) return even;
    if (choice == 2 * k) {
      LazyUniform r;
      if (!less(r, x)) return even;
    }
    last = std::move(next);
  }
}

template <typename Number>
bool ExactSampler::accept_fraction(int64_t k, Number& x) {
  for (int64_t i = 0; i <= k; ++i) {
    if (!karney_trial(k, x)) return false;
  }
  return true;
}

int64_t ExactSampler::whole_part() {
  for (;;) {
    int64_t k = 0;
    while (half_trial()) ++k;
    int64_t trials = k * (k - 1);
    while (trials > 0 && half_trial()) --trials;
    if (trials > 0) continue;
    if (k >= kWholeLimit) throw Error("exact sampler: the random stream is broken");
    return k;
  }
}

int64_t ExactSampler::rounded_normal(const Dyadic& s) {
  for (;;) {
    const int64_t whole = whole_part();
    LazyUniform fraction;
    if (!accept_fraction(whole, fraction)) continue;
    const int64_t magnitude = rounded_product(s, whole, fraction);
    return coin() ? magnitude : -magnitude;
  }
}

// With f the digits behind the first, s (whole + fraction) + 1/2 = (known + mantissa f) 2^-q: its
// floor is that of known 2^-q unless mantissa f reaches the next multiple.
int64_t ExactSampler::rounded_product(const Dyadic& s, int64_t whole, LazyUniform& fraction) {
  const int q = s.shift + 64;
  const Wide leading = (static_cast<Wide>(whole) << 64) | digit(fraction, 0);
  const Wide known = leading * s.mantissa + (static_cast<Wide>(1) << (q - 1));
  const Wide gap = (static_cast<Wide>(1) << q) - (known & ((static_cast<Wide>(1) << q) - 1));
  const auto floor = static_cast<int64_t>(known >> q);
  if (gap >= s.mantissa) return floor;
  return less(fraction, Ratio{static_cast<uint64_t>(gap), s.mantissa}, 1) ? floor : floor + 1;
}

// |n| = ceil(k s) + j belongs to the one k with |n| / s = k + x, x in [0, 1).
int64_t ExactSampler::discrete_normal(const Dyadic& s) {
  const uint64_t unit = uint64_t{1} << s.shift;
  const uint64_t choices = (s.mantissa + unit - 1) / unit;
  for (;;) {
    const int64_t k = whole_part();
    const uint64_t start = static_cast<uint64_t>(k) * s.mantissa;
    const uint64_t n = (start + unit - 1) / unit + below(choices);
    const uint64_t excess = n * unit - start;
    const bool negative = coin();
    if (excess >= s.mantissa || (n == 0 && negative)) continue;
    Ratio x{excess, s.mantissa};
    if (!accept_fraction(k, x)) continue;
    return negative ? -static_cast<int64_t>(n) : static_cast<int64_t>(n);
  }
}

int64_t ExactSampler::discrete_laplace(const Dyadic& s) {
  for (;;) {
    const uint64_t u = below(s.mantissa);
    if (!exponential_trial(Ratio{u, s.mantissa})) continue;
    uint64_t v = 0;
    while (exponential_trial(Ratio{1, 1})) ++v;
    const Wide n = (static_cast<Wide>(s.mantissa) * v + u) >> s.shift;
    const bool negative = coin();
    if (n == 0 && negative) continue;
    if (n > static_cast<Wide>(std::numeric_limits<int64_t>::max())) {
      throw Error("exact sampler: the random stream is broken");
    }
    return negative ? -static_cast<int64_t>(n) : static_cast<int64_t>(n);
  }
}

}  // namespace starling
