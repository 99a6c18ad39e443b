#include "starling/privacy/tree.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kImpossible = -std::numeric_limits<double>::infinity();
constexpr double kExactWork = 2e8;
constexpr double kRelaxedWork = 1e8;

void check_range(const char* field, int64_t value, int64_t low) {
  if (value >= low) return;
  throw InputError(
      "", std::string(field) + " " + std::to_string(value) + " is below " + std::to_string(low));
}

// Two participations lie at least `gap` leaves apart.
struct Schedule {
  int64_t leaves;
  int64_t count;
  int64_t gap;

  int height() const { return std::bit_width(static_cast<uint64_t>(leaves)) - 1; }
  // The most that 2^height leaves in a row can hold.
  int64_t capacity(int height) const { return ((int64_t{1} << height) - 1) / gap + 1; }
};

// The exact maximum. A state is a complete block, the number of participations in it, and how many
// leaves at its two ends are barred by participations outside.
class Exact {
 public:
  explicit Exact(const Schedule& schedule) : gap_(schedule.gap) {}

  double block(int height, int64_t count, int64_t barred_left, int64_t barred_right) {
    if (count == 0) return 0.0;
    const int64_t free = (int64_t{1} << height) - barred_left - barred_right;
    if (free < (count - 1) * gap_ + 1) return kImpossible;
    if (height == 0) return 1.0;
    const auto [place, fresh] =
        known_.try_emplace({height, count, barred_left, barred_right}, kImpossible);
    if (!fresh) return place->second;
    const double value = split(height, count, barred_left, barred_right);
    return known_[{height, count, barred_left, barred_right}] = value;
  }

  // The complete blocks of a number of leaves that need not be a power of two, left to right.
  double forest(int64_t leaves, int64_t count, int64_t barred_left) {
    if (count == 0) return 0.0;
    if (leaves == 0) return kImpossible;
    const int height = std::bit_width(static_cast<uint64_t>(leaves)) - 1;
    const int64_t size = int64_t{1} << height;
    const int64_t rest = leaves - size;
    double best = forest(rest, count, std::max<int64_t>(0, barred_left - size));
    for (int64_t here = 1; here <= count; ++here) {
      if (here == count) best = std::max(best, block(height, here, barred_left, 0));
      for (int64_t x = 0; here < count && x < gap_; ++x) {
        best = std::max(
            best, block(height, here, barred_left, x) + forest(rest, count - here, gap_ - 1 - x));
      }
    }
    return best;
  }

 private:
  double split(int height, int64_t count, int64_t barred_left, int64_t barred_right) {
    const int64_t half = int64_t{1} << (height - 1);
    double best =
        std::max(block(height - 1, count, std::max<int64_t>(0, barred_left - half), barred_right),
                 block(height - 1, count, barred_left, std::max<int64_t>(0, barred_right - half)));
    for (int64_t left = 1; left < count; ++left) {
      for (int64_t x = 0; x < gap_; ++x) {
        const double first = block(height - 1, left, barred_left, x);
        if (first == kImpossible) break;
        best = std::max(best, first + block(height - 1, count - left, gap_ - 1 - x, barred_right));
      }
    }
    return best + static_cast<double>(count) * static_cast<double>(count);
  }

  int64_t gap_;
  std::map<std::tuple<int, int64_t, int64_t, int64_t>, double> known_;
};

// Every block alone obeys the separation; between blocks it is forgotten.
double relaxed(const Schedule& schedule) {
  std::vector<double> best(schedule.count + 1, kImpossible);
  std::vector<double> forest(schedule.count + 1, kImpossible);
  best[0] = forest[0] = 0.0;
  if (schedule.count >= 1) best[1] = 1.0;
  for (int height = 0; height <= schedule.height(); ++height) {
    if (height > 0) {
      std::vector<double> next(schedule.count + 1, kImpossible);
      const int64_t most = std::min(schedule.count, schedule.capacity(height));
      for (int64_t c = 0; c <= most; ++c) {
        for (int64_t left = 0; left <= c; ++left)
          next[c] = std::max(next[c], best[left] + best[c - left]);
        next[c] += static_cast<double>(c) * static_cast<double>(c);
      }
      best = std::move(next);
    }
    if ((schedule.leaves >> height & 1) == 0) continue;
    std::vector<double> joined(schedule.count + 1, kImpossible);
    for (int64_t c = 0; c <= schedule.count; ++c) {
      for (int64_t here = 0; here <= c; ++here) {
        joined[c] = std::max(joined[c], best[here] + forest[c - here]);
      }
    }
    forest = std::move(joined);
  }
  return *std::max_element(forest.begin(), forest.end());
}

// Each level holds `count` participations, at most `capacity` of them in one block.
double coarse(const Schedule& schedule) {
  double sum = 0.0;
  for (int height = 0; height <= schedule.height(); ++height) {
    sum += static_cast<double>(schedule.count) *
           static_cast<double>(std::min(schedule.count, schedule.capacity(height)));
  }
  return sum;
}

}  // namespace

TreeSensitivity tree_sensitivity(int64_t leaves, int64_t max_participations,
                                 int64_t min_separation) {
  check_range("leaves", leaves, 1);
  check_range("max_participations", max_participations, 1);
  check_range("min_separation", min_separation, 0);
  Schedule schedule{leaves, 0, std::min(min_separation, leaves) + 1};
  schedule.count = std::min(max_participations, (leaves - 1) / schedule.gap + 1);
  if (schedule.count == 1) return {schedule.height() + 1.0, true};
  const double levels = schedule.height() + 1.0;
  const double pairs = static_cast<double>(schedule.count) * static_cast<double>(schedule.count);
  const double gap = static_cast<double>(schedule.gap);
  if (levels * pairs * gap * gap * gap <= kExactWork) {
    return {Exact(schedule).forest(leaves, schedule.count, 0), true};
  }
  if (levels * pairs <= kRelaxedWork) return {relaxed(schedule), false};
  return {coarse(schedule), false};
}

}  // namespace starling
