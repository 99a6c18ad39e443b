#pragma once
// Sensitivity of DP-FTRL's binary tree (Kairouz, McMahan, Song, Thakkar, Thakurta and Xu 2021,
// "Practical and Private (Deep) Learning without Sampling or Shuffling", Appendix D.2).
//
// A tree over `leaves` releases has one node for every complete aligned block of 2^h leaves. A
// record that is in c_v leaves below node v changes that node by at most c_v clips, so all nodes
// together form one Gaussian mechanism of squared sensitivity sum_v c_v^2 over the node noise's
// variance.

#include <cstdint>

namespace starling {

struct TreeSensitivity {
  double squared = 0.0;  // largest sum_v c_v^2 over allowed participations, in clips^2
  bool exact = true;     // false where it is an upper bound of that maximum
};

// One participation: the number of complete blocks above the best leaf, floor(log2 leaves) + 1.
// Several, at least `min_separation` leaves strictly between two: the exact maximum by dynamic
// programming where that takes bounded work, otherwise the same recursion without the constraint
// across siblings, which is an upper bound.
// leaves >= 1, max_participations >= 1, min_separation >= 0. Errors: InputError otherwise.
TreeSensitivity tree_sensitivity(int64_t leaves, int64_t max_participations,
                                 int64_t min_separation);

}  // namespace starling
