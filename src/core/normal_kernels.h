#pragma once
// Box-Muller in plain arithmetic: every operation is one that IEEE 754 rounds correctly, so all
// instruction sets and C libraries give the same bits.

#include <cstdint>
#include <span>
#include <vector>

#include "core/vector_targets.h"

namespace starling {

// Pairs: radius[i] and angle[i] are uniform words, values[i] and values[n + i] take the normals,
// value = scale * (value + standard_deviation * z). values.size() == 2 * radius.size().
template <typename Word, typename Value>
struct NormalPairs {
  const Word* radius;
  const Word* angle;
  Value* values;
  int64_t pairs;
  Value standard_deviation;
  Value scale;
};

using FloatPairs = NormalPairs<uint32_t, float>;
using DoublePairs = NormalPairs<uint64_t, double>;

// Float: words of 32 bits. Rows whose radius word is below kRefineBelow are left untouched; the
// return value says whether there are any: the caller refines their uniforms.
inline constexpr uint32_t kRefineBelow = 1u << 16;
bool add_normal_pairs(const FloatPairs& pairs, VectorTarget target = vector_target());
// Double: words of 64 bits.
void add_normal_pairs(const DoublePairs& pairs, VectorTarget target = vector_target());

// One pair of normals from a uniform of 95 bits in (0, 1), (high + (l + 1/2) 2^-63) 2^-32 with l
// the upper 63 bits of low, and an angle of 32 bits: the radius reaches 11.5.
struct NormalPair {
  double first;
  double second;
};
NormalPair refined_normal_pair(uint32_t radius_high, uint64_t radius_low, uint32_t angle);

}  // namespace starling
