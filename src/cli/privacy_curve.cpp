#include "cli/privacy_curve.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/privacy_answer.h"

namespace starling::cli {
namespace {

constexpr double kWidth = 720, kHeight = 440;
constexpr double kLeft = 64, kRight = 20, kTop = 48, kBottom = 52;

struct Scale {
  double largest_at = 1.0;
  double largest_epsilon = 1.0;
  double x(double at) const { return kLeft + at / largest_at * (kWidth - kLeft - kRight); }
  double y(double epsilon) const {
    return kHeight - kBottom - epsilon / largest_epsilon * (kHeight - kTop - kBottom);
  }
};

std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// 1, 2 or 5 times a power of ten, so that about five ticks reach `largest`.
double tick_step(double largest) {
  const double rough = largest / 5.0;
  const double unit = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (step * unit >= rough) return step * unit;
  }
  return 10.0 * unit;
}

std::string tick_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string label(double x, double y, const std::string& anchor, const std::string& words) {
  return "<text x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\" text-anchor=\"" + anchor + "\">" +
         words + "</text>\n";
}

std::string straight(double x1, double y1, double x2, double y2, const std::string& colour) {
  return "<line x1=\"" + fixed(x1) + "\" y1=\"" + fixed(y1) + "\" x2=\"" + fixed(x2) + "\" y2=\"" +
         fixed(y2) + "\" stroke=\"" + colour + "\"/>\n";
}

std::string axes(const Curve& curve, const Scale& scale) {
  std::string svg;
  const double step_y = tick_step(scale.largest_epsilon);
  for (int i = 0; i * step_y <= scale.largest_epsilon * 1.0001; ++i) {
    const double y = scale.y(i * step_y);
    svg += straight(kLeft, y, kWidth - kRight, y, i == 0 ? "#444" : "#ddd");
    svg += label(kLeft - 8, y + 4, "end", tick_text(i * step_y));
  }
  const double step_x = tick_step(scale.largest_at);
  for (int i = 0; i * step_x <= scale.largest_at * 1.0001; ++i) {
    const double x = scale.x(i * step_x);
    svg += straight(x, kHeight - kBottom, x, kHeight - kBottom + 5, "#444");
    svg += label(x, kHeight - kBottom + 20, "middle", tick_text(i * step_x));
  }
  svg += label((kLeft + kWidth - kRight) / 2, kHeight - 12, "middle", curve.axis);
  return svg;
}

std::string polyline(const Curve& curve, const Scale& scale, double CurvePoint::*value,
                     const std::string& style) {
  std::string points;
  for (const CurvePoint& point : curve.points) {
    if (!std::isfinite(point.*value)) continue;
    points +=
        fixed(scale.x(static_cast<double>(point.at))) + "," + fixed(scale.y(point.*value)) + " ";
  }
  return "<polyline fill=\"none\" stroke-width=\"2\" " + style + " points=\"" + points + "\"/>\n";
}

Scale scale_of(const Curve& curve) {
  Scale scale;
  double largest = 0.0;
  for (const CurvePoint& point : curve.points) {
    scale.largest_at = std::max(scale.largest_at, static_cast<double>(point.at));
    for (const double epsilon : {point.epsilon, point.rdp_epsilon}) {
      if (std::isfinite(epsilon)) largest = std::max(largest, epsilon);
    }
  }
  if (largest > 0.0) scale.largest_epsilon = largest;
  return scale;
}

std::string caption(const Curve& curve) {
  const bool unbounded = std::any_of(curve.points.begin(), curve.points.end(),
                                     [](const auto& point) { return std::isinf(point.epsilon); });
  return "epsilon at delta " + number_text(curve.delta) +
         (unbounded ? " (infinite points left out: NO DP GUARANTEE there)" : "");
}

}  // namespace

std::string curve_csv(const Curve& curve) {
  const bool both = curve.accountant != "rdp";
  std::string text = curve.axis + ",epsilon_" + curve.accountant;
  text += both ? ",epsilon_rdp\n" : "\n";
  for (const CurvePoint& point : curve.points) {
    text += std::to_string(point.at) + "," + number_text(point.epsilon);
    if (both) text += ",";
    if (both && !std::isnan(point.rdp_epsilon)) text += number_text(point.rdp_epsilon);
    text += "\n";
  }
  return text;
}

std::string curve_svg(const Curve& curve) {
  const Scale scale = scale_of(curve);
  const bool both = curve.accountant != "rdp";
  std::string svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 440\" width=\"720\" "
      "height=\"440\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n"
      "<rect width=\"720\" height=\"440\" fill=\"#fff\"/>\n";
  svg += label(kLeft, 24, "start", caption(curve));
  svg += axes(curve, scale);
  if (both) {
    svg += polyline(curve, scale, &CurvePoint::rdp_epsilon,
                    "stroke=\"#c2703d\" stroke-dasharray=\"6 4\"");
    svg += straight(kWidth - 100, 20, kWidth - 76, 20, "#c2703d");
    svg += label(kWidth - 70, 24, "start", "rdp");
  }
  svg += polyline(curve, scale, &CurvePoint::epsilon, "stroke=\"#2a5d9f\"");
  svg += straight(kWidth - 200, 20, kWidth - 176, 20, "#2a5d9f");
  svg += label(kWidth - 170, 24, "start", curve.accountant);
  return svg + "</svg>\n";
}

}  // namespace starling::cli
