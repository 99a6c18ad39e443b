#pragma once
// Several runs side by side, for people: what they reached, spent and took, and in what they
// differ.

#include <string>
#include <vector>

#include "starling/report/record.h"

namespace starling {

struct NamedRun {
  std::string label;  // such as the name of its folder
  RunRecord record;
};

// A row a run: rounds, the last test result, epsilon (rounded up) or NO DP GUARANTEE, megabytes
// uploaded, time. Then the settings that are not the same in all; the mean and the sample standard
// deviation over runs that differ in nothing but their seed; and what all of them spent together,
// which is also what choosing one of them by its result spends (basic composition: epsilons and
// deltas add up).
std::string comparison_text(const std::vector<NamedRun>& runs);

}  // namespace starling
