#include "core/grid_kernels.h"

#include <bit>
#include <limits>

namespace starling {
namespace {

constexpr int64_t kLanes = 16;

template <typename Value>
STARLING_INLINE double norm_loop(const Value* values, int64_t size) {
  double partial[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const double x = static_cast<double>(values[i + lane]);
      partial[lane] += x * x;
    }
  }
  for (; i < size; ++i)
    partial[i % kLanes] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  double sum = 0.0;
  for (const double part : partial) sum += part;
  return sum;
}

template <typename Value>
STARLING_INLINE void truncate_loop(const Value* __restrict values, double factor,
                                   int64_t* __restrict out, int64_t size) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  for (int64_t i = 0; i < size; ++i) {
    const double x = static_cast<double>(values[i]) * factor;
    const uint64_t bits = std::bit_cast<uint64_t>(x);
    const double magnitude = std::bit_cast<double>(bits & ~kSign);
    const double nearest = (magnitude + 0x1p52) - 0x1p52;
    const uint64_t above = nearest > magnitude ? 1 : 0;
    const uint64_t integer =
        (std::bit_cast<uint64_t>(magnitude + 0x1p52) & 0x000fffffffffffff) - above;
    const uint64_t negative = 0 - (bits >> 63);
    out[i] = static_cast<int64_t>((integer ^ negative) - negative);
  }
}

STARLING_INLINE int64_t magnitude_loop(const int64_t* values, int64_t size) {
  int64_t largest = 0;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t sign = values[i] >> 63;
    const int64_t complement = values[i] ^ sign;  // |v| - 1 for negative v, which cannot wrap
    const int64_t last = std::numeric_limits<int64_t>::max();
    const int64_t magnitude = complement == last ? last : complement - sign;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

STARLING_INLINE SquareParts square_loop(const int64_t* values, int64_t size) {
  constexpr uint64_t kLow = (uint64_t{1} << 21) - 1;
  SquareParts parts;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t sign = values[i] >> 63;
    const uint64_t magnitude = static_cast<uint64_t>((values[i] ^ sign) - sign);
    const uint64_t high = magnitude >> 21;
    const uint64_t low = magnitude & kLow;
    // Products of 32-bit halves, which every instruction set has.
    parts.high_high += uint64_t{static_cast<uint32_t>(high)} * static_cast<uint32_t>(high);
    parts.high_low += uint64_t{static_cast<uint32_t>(high)} * static_cast<uint32_t>(low);
    parts.low_low += uint64_t{static_cast<uint32_t>(low)} * static_cast<uint32_t>(low);
  }
  return parts;
}

STARLING_INLINE void add_loop(int64_t* __restrict sum, const int64_t* __restrict values,
                              int64_t weight, int64_t size) {
  if (weight == 1) {
    for (int64_t i = 0; i < size; ++i) sum[i] += values[i];
  } else {
    for (int64_t i = 0; i < size; ++i) sum[i] += weight * values[i];
  }
}

STARLING_TARGET_AVX2 double norm_avx2(const float* v, int64_t n) { return norm_loop(v, n); }
STARLING_TARGET_AVX2 double norm_avx2(const double* v, int64_t n) { return norm_loop(v, n); }
STARLING_TARGET_AVX512 double norm_avx512(const float* v, int64_t n) { return norm_loop(v, n); }
STARLING_TARGET_AVX512 double norm_avx512(const double* v, int64_t n) { return norm_loop(v, n); }
STARLING_TARGET_AVX2 void truncate_avx2(const float* v, double f, int64_t* o, int64_t n) {
  truncate_loop(v, f, o, n);
}
STARLING_TARGET_AVX2 void truncate_avx2(const double* v, double f, int64_t* o, int64_t n) {
  truncate_loop(v, f, o, n);
}
STARLING_TARGET_AVX2 int64_t magnitude_avx2(const int64_t* v, int64_t n) {
  return magnitude_loop(v, n);
}
STARLING_TARGET_AVX2 SquareParts square_avx2(const int64_t* v, int64_t n) {
  return square_loop(v, n);
}
STARLING_TARGET_AVX2 void add_avx2(int64_t* s, const int64_t* v, int64_t w, int64_t n) {
  add_loop(s, v, w, n);
}
STARLING_TARGET_AVX512 void add_avx512(int64_t* s, const int64_t* v, int64_t w, int64_t n) {
  add_loop(s, v, w, n);
}

bool has_avx2() { return vector_target() >= VectorTarget::avx2; }
bool has_avx512() { return vector_target() >= VectorTarget::avx512; }

}  // namespace

double squared_norm(const float* values, int64_t size) {
  if (has_avx512()) return norm_avx512(values, size);
  return has_avx2() ? norm_avx2(values, size) : norm_loop(values, size);
}

double squared_norm(const double* values, int64_t size) {
  if (has_avx512()) return norm_avx512(values, size);
  return has_avx2() ? norm_avx2(values, size) : norm_loop(values, size);
}

void scale_and_truncate(const float* values, double factor, int64_t* out, int64_t size) {
  has_avx2() ? truncate_avx2(values, factor, out, size) : truncate_loop(values, factor, out, size);
}

void scale_and_truncate(const double* values, double factor, int64_t* out, int64_t size) {
  has_avx2() ? truncate_avx2(values, factor, out, size) : truncate_loop(values, factor, out, size);
}

int64_t largest_magnitude(const int64_t* values, int64_t size) {
  return has_avx2() ? magnitude_avx2(values, size) : magnitude_loop(values, size);
}

SquareParts square_parts(const int64_t* values, int64_t size) {
  return has_avx2() ? square_avx2(values, size) : square_loop(values, size);
}

void add_weighted(int64_t* sum, const int64_t* values, int64_t weight, int64_t size) {
  if (has_avx512()) return add_avx512(sum, values, weight, size);
  has_avx2() ? add_avx2(sum, values, weight, size) : add_loop(sum, values, weight, size);
}

}  // namespace starling
