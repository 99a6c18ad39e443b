#include "core/normal_kernels.h"

#include <array>
#include <bit>
#include <cmath>
#include <type_traits>

namespace starling {
namespace {

// log((1 + s) / (1 - s)) = 2 s (1 + z kAtanh(z)), sin(x) = x (1 + z kSine(z)), cos(x) = 1 + z
// kCosine(z), with z the square of s or x: Taylor series, long enough for |s| <= 0.172 and |x| <=
// pi / 4.
template <typename Value>
struct Format;

template <>
struct Format<float> {
  using Word = uint32_t;
  using Integer = int32_t;
  static constexpr int kBits = 32;
  static constexpr int kMantissa = 23;
  static constexpr Word kRootHalf = 0x3f3504f3;  // the bits of sqrt(1/2)
  static constexpr float kUnit = 0x1p-32f;
  static constexpr float kAngle = 0x1.921fb6p-1f * 0x1p-29f;
  static constexpr float kAtanh[] = {1.0f / 3, 1.0f / 5, 1.0f / 7, 1.0f / 9};
  static constexpr float kSine[] = {-1.0f / 6, 1.0f / 120, -1.0f / 5040, 1.0f / 362880};
  static constexpr float kCosine[] = {-1.0f / 2, 1.0f / 24, -1.0f / 720, 1.0f / 40320};
};

template <>
struct Format<double> {
  using Word = uint64_t;
  using Integer = int64_t;
  static constexpr int kBits = 64;
  static constexpr int kMantissa = 52;
  static constexpr Word kRootHalf = 0x3fe6a09e667f3bcd;
  static constexpr double kUnit = 0x1p-64;
  static constexpr double kAngle = 0x1.921fb54442d18p-1 * 0x1p-61;
  static constexpr double kAtanh[] = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11,
                                      1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21};
  static constexpr double kSine[] = {
      -1.0 / 6,        1.0 / 120,        -1.0 / 5040,          1.0 / 362880,
      -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000, 1.0 / 355687428096000};
  static constexpr double kCosine[] = {
      -1.0 / 2,       1.0 / 24,        -1.0 / 720,         1.0 / 40320,
      -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000};
};

template <size_t I = 0, typename Value, size_t N>
STARLING_INLINE Value polynomial(const Value (&coefficients)[N], Value x) {
  if constexpr (I + 1 == N) {
    return coefficients[I];
  } else {
    return coefficients[I] + x * polynomial<I + 1>(coefficients, x);
  }
}

// Words with a clear top bit, correctly rounded, in operations that every target has.
STARLING_INLINE float to_value(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word));
}
STARLING_INLINE double to_value(uint64_t word) {
  const double high = std::bit_cast<double>((word >> 32) | 0x4530000000000000) - 0x1p84;
  const double low = std::bit_cast<double>((word & 0xffffffff) | 0x4330000000000000) - 0x1p52;
  return high + low;
}

// `yes` where the mask is all ones, `no` where it is zero: selection without a branch.
template <typename Word, typename Value>
STARLING_INLINE Value chosen(Word mask, Value yes, Value no) {
  return std::bit_cast<Value>(
      static_cast<Word>((std::bit_cast<Word>(yes) & mask) | (std::bit_cast<Word>(no) & ~mask)));
}

template <typename Value>
STARLING_INLINE Value minus_two_log(Value fraction, typename Format<Value>::Integer exponent) {
  const Value s = fraction / (2 + fraction);
  const Value z = s * s;
  const Value logarithm = s + s * (z * polynomial(Format<Value>::kAtanh, z));
  return static_cast<Value>(exponent) * Value(-1.38629436111989061883) - 4 * logarithm;
}

// u = fraction and exponent of 2: u = 2^exponent (1 + fraction), 1 + fraction in [sqrt(1/2),
// sqrt(2)).
template <typename Value>
STARLING_INLINE Value minus_two_log_of(Value u) {
  using F = Format<Value>;
  const auto bits = std::bit_cast<typename F::Word>(u);
  const auto exponent = static_cast<typename F::Integer>(bits - F::kRootHalf) >> F::kMantissa;
  const Value m =
      std::bit_cast<Value>(bits - (static_cast<typename F::Word>(exponent) << F::kMantissa));
  return minus_two_log(m - 1, exponent);
}

// The radius sqrt(-2 log u) of u = (word + 1/2) / 2^bits, with full relative precision at both
// ends: c is u below 1/2 and 1 - u above.
template <typename Value, typename Word>
STARLING_INLINE Value radius_of(Word word) {
  using F = Format<Value>;
  using Integer = typename F::Integer;
  const Word upper = static_cast<Word>(static_cast<Integer>(word) >> (F::kBits - 1));
  const Value c = (to_value(static_cast<Word>(word ^ upper)) + Value(0.5)) * F::kUnit;
  const Word bits = std::bit_cast<Word>(c);
  const Integer exponent = static_cast<Integer>(bits - F::kRootHalf) >> F::kMantissa;
  const Value m =
      std::bit_cast<Value>(static_cast<Word>(bits - (static_cast<Word>(exponent) << F::kMantissa)));
  const Word close = c < Value(0.29289) ? ~Word(0) : Word(0);
  const Value upper_fraction = chosen(close, -c, 1 - 2 * c);
  return std::sqrt(minus_two_log<Value>(
      chosen(upper, upper_fraction, m - 1),
      static_cast<Integer>((upper & ~close) | (~upper & static_cast<Word>(exponent)))));
}

template <typename Value>
struct Direction {
  Value first;
  Value second;
};

// A uniform point of the circle: an arc of |x| <= pi / 4, its mirror images by three bits.
template <typename Value, typename Word>
STARLING_INLINE Direction<Value> direction_of(Word word) {
  using F = Format<Value>;
  constexpr Word kTop = Word(1) << (F::kBits - 1);
  const Value x = (to_value(static_cast<Word>(word & (kTop / 4 - 1))) + Value(0.5)) * F::kAngle;
  const Value z = x * x;
  const Value sine = x + x * (z * polynomial(F::kSine, z));
  const Value cosine = 1 + z * polynomial(F::kCosine, z);
  const Value a =
      std::bit_cast<Value>(static_cast<Word>(std::bit_cast<Word>(cosine) ^ (word & kTop)));
  const Value b = std::bit_cast<Value>(
      static_cast<Word>(std::bit_cast<Word>(sine) ^ (static_cast<Word>(word << 1) & kTop)));
  const Word swap =
      static_cast<Word>(static_cast<typename F::Integer>(word << 2) >> (F::kBits - 1));
  return {chosen(swap, b, a), chosen(swap, a, b)};
}

struct AddFloatPairs {
  STARLING_INLINE static bool run(FloatPairs p) {
    const uint32_t* const radius = p.radius;
    const uint32_t* const angle = p.angle;
    float* const __restrict first = p.values;
    float* const __restrict second = p.values + p.pairs;
    const float deviation = p.standard_deviation;
    const float scale = p.scale;
    const int64_t pairs = p.pairs;
    uint32_t refine = 0;
    for (int64_t i = 0; i < pairs; ++i) {
      const uint32_t word = radius[i];
      const float r = radius_of<float>(word);
      const Direction<float> d = direction_of<float>(angle[i]);
      const float x = first[i];
      const float y = second[i];
      const uint32_t rare = word < kRefineBelow ? ~0u : 0u;
      first[i] = chosen(rare, x, scale * (x + deviation * (r * d.first)));
      second[i] = chosen(rare, y, scale * (y + deviation * (r * d.second)));
      refine |= rare;
    }
    return refine != 0;
  }
};

struct AddDoublePairs {
  STARLING_INLINE static void run(DoublePairs p) {
    const uint64_t* const radius = p.radius;
    const uint64_t* const angle = p.angle;
    double* const __restrict first = p.values;
    double* const __restrict second = p.values + p.pairs;
    const double deviation = p.standard_deviation;
    const double scale = p.scale;
    const int64_t pairs = p.pairs;
    for (int64_t i = 0; i < pairs; ++i) {
      const double r = radius_of<double>(radius[i]);
      const Direction<double> d = direction_of<double>(angle[i]);
      first[i] = scale * (first[i] + deviation * (r * d.first));
      second[i] = scale * (second[i] + deviation * (r * d.second));
    }
  }
};

}  // namespace

bool add_normal_pairs(const FloatPairs& pairs, VectorTarget target) {
  return run_on<AddFloatPairs>(target, pairs);
}

void add_normal_pairs(const DoublePairs& pairs, VectorTarget target) {
  run_on<AddDoublePairs>(target, pairs);
}

NormalPair refined_normal_pair(uint32_t radius_high, uint64_t radius_low, uint32_t angle) {
  const double low = to_value(radius_low >> 1) * 0x1p-63 + 0x1p-64;
  const double r = std::sqrt(minus_two_log_of<double>((radius_high + low) * 0x1p-32));
  const Direction<double> d =
      direction_of<double>(static_cast<uint64_t>(angle) << 32 | uint64_t{1} << 31);
  return {r * d.first, r * d.second};
}

}  // namespace starling
