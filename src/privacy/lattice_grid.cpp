#include "privacy/lattice_grid.h"

#include <algorithm>
#include <cmath>

namespace starling {
namespace {

constexpr double kFewestOfGroup = 200.0;
constexpr double kMostFineSteps = 4096.0;
constexpr double kShareOfGroup = 0.02;  // of the bearable spread

// The spread that one rounding of every loss without a hit to this step would cause, sampled at the
// quadrature's nodes.
double rounding_spread(const Member& member, double step) {
  double total = 0.0;
  for (size_t k = 0; k < member.nodes.loss.size(); ++k) {
    const double cells = (member.nodes.loss[k] - member.loss->anchor()) / step;
    const double part = cells - std::floor(cells);
    if (part < 1e-9 || part > 1.0 - 1e-9) continue;
    total += member.count * member.nodes.weight[k] * step * step * part * (1.0 - part);
  }
  return total;
}

double predicted_spread(const Member& member, double step, bool grouped) {
  const double largest = 0.25 * step * step, single = rounding_spread(member, step);
  const double apart = 32.0 / member.count;
  return largest * member.hits + (grouped ? apart * single + largest : single);
}

double predicted_spread(const std::vector<Member>& members, double step) {
  double total = 0.0;
  for (const Member& member : members) {
    const double single = predicted_spread(member, step, false);
    total += member.groups ? std::min(single, predicted_spread(member, step, true)) : single;
  }
  return total;
}

// The atoms of the most frequent release with atoms lie on the lattice, where that is possible.
double align(const std::vector<Member>& members, double step, double smallest) {
  double spacing = 0.0, most = 0.0;
  for (const Member& member : members) {
    if (member.loss->atom_spacing() > 0.0 && member.count > most) {
      most = member.count;
      spacing = member.loss->atom_spacing();
    }
  }
  if (spacing == 0.0) return step;
  const double aligned = spacing / std::ceil(spacing / step - 1e-9);
  return aligned >= smallest ? aligned : step;
}

}  // namespace

Grid choose_grid(const std::vector<Member>& members, const CurveTarget& target, double window,
                 double tolerance) {
  size_t limit = std::min(kLargestLattice, target.most_losses);
  while (limit > 4 * kSmallestLattice && limit * members.size() > kMostCells) limit /= 2;
  const double scale = std::max(2.0, target.centre);
  const double smallest = window / static_cast<double>(limit);
  Grid grid{window / static_cast<double>(kSmallestLattice), kSmallestLattice};
  grid.spread =
      2.0 * std::min(tolerance * scale, 50.0 * tolerance / target.theta) / (1.0 + target.theta);
  while (true) {
    grid.step = align(members, window / static_cast<double>(grid.size), smallest);
    while (grid.size < limit && static_cast<double>(grid.size) * grid.step < window) grid.size *= 2;
    grid.tight = predicted_spread(members, grid.step) < grid.spread;
    if (grid.tight || grid.size >= limit) break;
    grid.size *= 2;
  }
  double fine = 1.0;
  for (; fine < target.fineness && grid.size < limit; fine *= 2.0) {
    grid.size *= 2;
    grid.step *= 0.5;
  }
  grid.tight = grid.tight && fine >= target.fineness;
  grid.spread /= fine;
  return grid;
}

void choose_groups(std::vector<Member>& members, const Grid& grid) {
  for (Member& member : members) {
    member.fine_steps = 0.0;
    const double single = predicted_spread(member, grid.step, false);
    if (!member.groups || predicted_spread(member, grid.step, true) > 0.5 * single) continue;
    double steps = 2.0;
    while (steps < kMostFineSteps &&
           rounding_spread(member, grid.step / steps) > kShareOfGroup * grid.spread) {
      steps *= 2.0;
    }
    member.fine_steps = steps;
  }
}

// Losses that a sampled release has without a hit are nowhere below the anchor in this direction.
bool may_be_grouped(const Side& side, const Release& release) {
  return side.direction == Direction::remove && !side.rest &&
         std::isfinite(release.loss->rare_from()) && release.count >= kFewestOfGroup;
}

std::vector<Member> make_members(const Side& side, double theta, bool group) {
  std::vector<Member> members;
  for (const Release& release : side.releases) {
    const Loss& loss = *release.loss;
    if (!std::isfinite(loss.rare_from())) {
      members.push_back({&loss, release.count, loss.tilted({theta})});
      continue;
    }
    Member member{&loss, release.count,
                  loss.rough_nodes(theta, std::min(loss.top(), loss.rare_from()))};
    const double moment = side.rest ? 0.0 : loss.rare_moment(theta);
    member.hits =
        moment > 0.0 ? release.count * std::exp(std::log(moment) - member.nodes.cumulant) : 0.0;
    member.groups = group && may_be_grouped(side, release);
    members.push_back(std::move(member));
  }
  return members;
}

}  // namespace starling
