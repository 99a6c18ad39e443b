#pragma once
// What the partition laws share.

#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "starling/data/partition.h"

namespace starling::partition {

// Errors: InputError unless 1 <= clients <= examples.
void check_clients(int64_t clients, int64_t examples);

// 0..count-1 in random order.
std::vector<int64_t> shuffled(int64_t count, RandomStream& stream);

// Indices of each label, by ascending label; labels that do not occur have no group.
std::vector<std::vector<int64_t>> group_by_value(std::span<const int64_t> values);

// The k-th of `parts` nearly equal ranges of 0..count-1 starts here; k = parts gives count.
inline int64_t even_cut(int64_t count, int64_t parts, int64_t k) {
  return static_cast<int64_t>(static_cast<__int128>(count) * k / parts);
}

// Symmetric Dirichlet(alpha) over `count` shares: Gamma variates over their sum.
std::vector<double> dirichlet(int64_t count, double alpha, RandomStream& stream);

// Errors: InputError unless alpha is positive and finite.
void check_alpha(double alpha);

// Orders every client's indices.
Partition finished(Partition partition);

}  // namespace starling::partition
