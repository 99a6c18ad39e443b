#pragma once
// How each digit is written: control points of its strokes in a box of width and height 1, x to the
// right and y down. A curve passes through its points as a Catmull-Rom spline.

#include <array>
#include <span>
#include <vector>

namespace starling::digits {

struct Point {
  float x;
  float y;
};

struct Stroke {
  bool curve;
  std::vector<Point> points;
};

using Style = std::vector<Stroke>;

// The styles of `digit`, 0..9; never empty.
const std::vector<Style>& styles(int digit);

}  // namespace starling::digits
