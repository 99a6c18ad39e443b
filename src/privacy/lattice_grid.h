#pragma once
// How fine a lattice of rounded losses has to be, and which releases are composed on a finer one
// (lattice_group.h) so that it may be coarser.

#include <vector>

#include "privacy/exact_curve.h"

namespace starling {

constexpr size_t kSmallestLattice = size_t{1} << 12;
constexpr size_t kLargestLattice = size_t{1} << 20;
constexpr size_t kMostCells = size_t{1} << 22;  // over all releases

struct Member {
  const Loss* loss;
  double count;
  TiltedNodes nodes;        // of the rest, where it is split
  double hits = 0.0;        // mean number under the tilted law
  bool groups = false;      // whether releases may be composed on a finer lattice
  double fine_steps = 0.0;  // and how much finer
};

struct Grid {
  double step;
  size_t size;
  bool tight = false;
  double spread = 0.0;  // that is bearable
};

// One for every release; `group` allows groups.
std::vector<Member> make_members(const Side& side, double theta, bool group);
bool may_be_grouped(const Side& side, const Release& release);
// For a window of losses of this length, so that rounding raises epsilon by about `tolerance`, or
// by that share of it above 2.
Grid choose_grid(const std::vector<Member>& members, const CurveTarget& target, double window,
                 double tolerance);
// Grouped where that helps, so much finer that little of the bearable spread is left.
void choose_groups(std::vector<Member>& members, const Grid& grid);

}  // namespace starling
