#include "core/grid_kernels.h"

#include <bit>

namespace starling {
namespace {

constexpr int64_t kLanes = 16;

template <typename Value>
struct SquaredNorm {
  STARLING_INLINE static double run(const Value* values, int64_t size) {
    double partial[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const double x = static_cast<double>(values[i + lane]);
        partial[lane] += x * x;
      }
    }
    for (; i < size; ++i) {
      const double x = static_cast<double>(values[i]);
      partial[i % kLanes] += x * x;
    }
    double sum = 0.0;
    for (const double part : partial) sum += part;
    return sum;
  }
};

// Truncation by the rounding of an addition, which every instruction set has.
template <typename Value>
struct Truncate {
  STARLING_INLINE static void run(const Value* __restrict values, double factor,
                                  int64_t* __restrict out, int64_t size) {
    constexpr uint64_t kSign = uint64_t{1} << 63;
    for (int64_t i = 0; i < size; ++i) {
      const double x = static_cast<double>(values[i]) * factor;
      const uint64_t bits = std::bit_cast<uint64_t>(x);
      const double magnitude = std::bit_cast<double>(bits & ~kSign);
      const double shifted = magnitude + 0x1p52;
      const uint64_t above = shifted - 0x1p52 > magnitude ? 1 : 0;
      const uint64_t integer = (std::bit_cast<uint64_t>(shifted) & 0x000fffffffffffff) - above;
      const uint64_t negative = 0 - (bits >> 63);
      out[i] = static_cast<int64_t>((integer ^ negative) - negative);
    }
  }
};

// The top bit is set where v is outside [-radius, radius], also where v + radius wraps.
STARLING_INLINE uint64_t outside(int64_t v, uint64_t radius) {
  const uint64_t above = static_cast<uint64_t>(v) + radius;
  return above | (2 * radius - above);
}

struct WithinRange {
  STARLING_INLINE static bool run(const int64_t* values, int64_t radius, int64_t size) {
    uint64_t bad = 0;
    for (int64_t i = 0; i < size; ++i) bad |= outside(values[i], static_cast<uint64_t>(radius));
    return bad >> 63 == 0;
  }
};

struct Squares {
  STARLING_INLINE static SquareParts run(const int64_t* values, int64_t size) {
    constexpr uint64_t kLow = (uint64_t{1} << 21) - 1;
    SquareParts parts;
    for (int64_t i = 0; i < size; ++i) {
      const uint64_t v = static_cast<uint64_t>(values[i]);
      const uint64_t negative = 0 - (v >> 63);
      const uint64_t magnitude = (v ^ negative) - negative;
      // Products of 32-bit halves, which every instruction set has.
      const uint64_t high = static_cast<uint32_t>(magnitude >> 21);
      const uint64_t low = static_cast<uint32_t>(magnitude & kLow);
      parts.high_high += high * high;
      parts.high_low += high * low;
      parts.low_low += low * low;
    }
    return parts;
  }
};

struct AddWeighted {
  STARLING_INLINE static bool run(int64_t* __restrict sum, const int64_t* __restrict values,
                                  int64_t weight, int64_t radius, int64_t size) {
    const uint64_t factor = static_cast<uint64_t>(weight);
    uint64_t bad = 0;
    if (weight == 1) {
      for (int64_t i = 0; i < size; ++i) {
        bad |= outside(values[i], static_cast<uint64_t>(radius));
        sum[i] =
            static_cast<int64_t>(static_cast<uint64_t>(sum[i]) + static_cast<uint64_t>(values[i]));
      }
    } else {
      for (int64_t i = 0; i < size; ++i) {
        bad |= outside(values[i], static_cast<uint64_t>(radius));
        sum[i] = static_cast<int64_t>(static_cast<uint64_t>(sum[i]) +
                                      factor * static_cast<uint64_t>(values[i]));
      }
    }
    return bad >> 63 == 0;
  }
};

}  // namespace

double squared_norm(const float* values, int64_t size) {
  return run_on<SquaredNorm<float>>(vector_target(), values, size);
}

double squared_norm(const double* values, int64_t size) {
  return run_on<SquaredNorm<double>>(vector_target(), values, size);
}

void scale_and_truncate(const float* values, double factor, int64_t* out, int64_t size) {
  run_on<Truncate<float>>(vector_target(), values, factor, out, size);
}

void scale_and_truncate(const double* values, double factor, int64_t* out, int64_t size) {
  run_on<Truncate<double>>(vector_target(), values, factor, out, size);
}

bool within_range(const int64_t* values, int64_t radius, int64_t size) {
  return run_on<WithinRange>(vector_target(), values, radius, size);
}

SquareParts square_parts(const int64_t* values, int64_t size) {
  return run_on<Squares>(vector_target(), values, size);
}

bool add_weighted(int64_t* sum, const int64_t* values, int64_t weight, int64_t radius,
                  int64_t size) {
  return run_on<AddWeighted>(vector_target(), sum, values, weight, radius, size);
}

}  // namespace starling
