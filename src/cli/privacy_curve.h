#pragma once
// Epsilon as releases follow each other, as CSV or as a small SVG drawing.

#include <cstdint>
#include <string>
#include <vector>

namespace starling::cli {

struct CurvePoint {
  int64_t at = 0;  // releases or rounds so far
  double epsilon = 0.0;
  double rdp_epsilon = 0.0;  // NaN where rdp has no answer
};

struct Curve {
  std::string axis = "steps";  // or "rounds"
  std::string accountant = "exact";
  double delta = 0.0;
  std::vector<CurvePoint> points;  // by `at`, ascending
};

// A header and a line a point; infinity as inf, no answer as an empty field.
std::string curve_csv(const Curve& curve);
// Self-contained, 720 x 440. Infinite points are left out, and the caption says so.
std::string curve_svg(const Curve& curve);

}  // namespace starling::cli
