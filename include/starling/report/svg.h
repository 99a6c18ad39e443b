#pragma once
// Charts as SVG text, to stand inside a page or alone. Colours come from CSS variables (--ink,
// --muted, --grid, --accent) with fallbacks, so that a page in light or dark restyles them. Each
// chart carries a title and a description for screen readers and a tooltip on each point.

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace starling {

struct LineChart {
  std::string title;    // what is drawn, e.g. "Test accuracy"
  std::string x_label;  // under the axis, e.g. "round"
  std::vector<std::pair<double, double>>
      points;                       // x ascending; points with y not finite are left out
  std::optional<double> reference;  // a dashed horizontal line ...
  std::string reference_label;      // ... and what it is, e.g. "target 8"
  bool from_zero = false;           // the y axis begins at 0
  bool percent = false;             // y in [0, 1] is labelled in percent
  std::string colour = "var(--accent, #2563eb)";
  int width = 500;
  int height = 250;
};
std::string svg_line_chart(const LineChart& chart);

struct Histogram {
  std::string title;
  std::string x_label;
  std::vector<double> values;  // those not finite are left out
  int bins = 12;
  std::string colour = "var(--accent, #2563eb)";
  int width = 560;
  int height = 200;
};
std::string svg_histogram(const Histogram& histogram);

// About `count` round numbers (1, 2 or 5 times a power of ten apart) that cover [low, high].
// low <= high, both finite.
std::vector<double> axis_ticks(double low, double high, int count);

}  // namespace starling
