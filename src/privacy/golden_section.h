#pragma once
// Kiefer 1953: the least of a function that falls and then rises.

namespace starling {

// The middle of a bracket no wider than `width` in [low, high] around the minimum; `function` is
// called once for each step. A value that is not a number counts as no higher than the other.
template <class Function>
double golden_section(double low, double high, double width, const Function& function) {
  constexpr double kGolden = 0.61803398874989485;
  double a = high - kGolden * (high - low), b = low + kGolden * (high - low);
  double at_a = function(a), at_b = function(b);
  while (high - low > width) {
    if (!(at_a > at_b)) {
      high = b;
      b = a;
      at_b = at_a;
      a = high - kGolden * (high - low);
      at_a = function(a);
    } else {
      low = a;
      a = b;
      at_a = at_b;
      b = low + kGolden * (high - low);
      at_b = function(b);
    }
  }
  return 0.5 * (low + high);
}

}  // namespace starling
