#include "starling/report/svg.h"

#include <algorithm>
#include <cmath>

#include "report/format.h"
#include "starling/report/html.h"

namespace starling {
namespace {

using report::number;
using report::rounded;

constexpr double kLeft = 52, kRight = 16, kTop = 14, kBottom = 40;
constexpr size_t kMostMarks = 60;

std::string fixed(double value) { return rounded(value, 1); }

// Without the noise of binary fractions: 0.30000000000000004 is "0.3".
std::string tick_text(double value, bool percent) {
  const double shown = percent ? 100.0 * value : value;
  const double magnitude =
      std::pow(10.0, 9 - std::ceil(std::log10(std::max(std::abs(shown), 1.0))));
  return number(std::round(shown * magnitude) / magnitude) + (percent ? " %" : "");
}

std::string element(const std::string& name, const HtmlAttributes& attributes,
                    const std::string& content = "") {
  return html_element(name, attributes, content);
}

// Maps data to the drawing.
class Frame {
 public:
  Frame(int width, int height, std::vector<double> x_ticks, std::vector<double> y_ticks,
        std::pair<double, double> x_range)
      : width_(width),
        height_(height),
        x_ticks_(std::move(x_ticks)),
        y_ticks_(std::move(y_ticks)),
        x_range_(x_range) {}

  double x(double value) const {
    const double span = x_range_.second - x_range_.first;
    const double part = span > 0 ? (value - x_range_.first) / span : 0.5;
    return kLeft + part * (width_ - kLeft - kRight);
  }
  double y(double value) const {
    const double low = y_ticks_.front(), span = y_ticks_.back() - low;
    return height_ - kBottom - (value - low) / span * (height_ - kTop - kBottom);
  }
  double bottom() const { return height_ - kBottom; }

  std::string axes(const std::string& x_label, bool percent) const {
    std::string text;
    for (const double tick : y_ticks_) text += horizontal(y(tick), tick_text(tick, percent));
    for (const double tick : x_ticks_) {
      if (tick < x_range_.first || tick > x_range_.second) continue;
      text += label(x(tick), bottom() + 18, "middle", tick_text(tick, false));
    }
    return text +
           label(x((x_range_.first + x_range_.second) / 2), height_ - 4.0, "middle", x_label);
  }

  static std::string label(double x, double y, const std::string& anchor, const std::string& text) {
    return element("text",
                   {{"x", fixed(x)},
                    {"y", fixed(y)},
                    {"text-anchor", anchor},
                    {"fill", "var(--muted, #64748b)"}},
                   escape_html(text));
  }

  std::string line(double y, const std::string& colour, const std::string& dashes) const {
    HtmlAttributes attributes = {{"x1", fixed(kLeft)}, {"x2", fixed(width_ - kRight)},
                                 {"y1", fixed(y)},     {"y2", fixed(y)},
                                 {"stroke", colour},   {"stroke-width", "1"}};
    if (!dashes.empty()) attributes.emplace_back("stroke-dasharray", dashes);
    return element("line", attributes);
  }

  // The whole drawing around `content`.
  std::string drawing(const std::string& title, const std::string& description,
                      const std::string& content) const {
    const std::string width = std::to_string(width_), height = std::to_string(height_);
    return element("svg",
                   {{"xmlns", "http://www.w3.org/2000/svg"},
                    {"viewBox", "0 0 " + width + " " + height},
                    {"width", width},
                    {"height", height},
                    {"role", "img"},
                    {"aria-label", title + ". " + description},
                    {"font-family", "ui-sans-serif, system-ui, sans-serif"},
                    {"font-size", "12"}},
                   html_text("title", title) + html_text("desc", description) + content);
  }

 private:
  std::string horizontal(double y, const std::string& text) const {
    return line(y, "var(--grid, #e2e8f0)", "") + label(kLeft - 8, y + 4, "end", text);
  }

  int width_, height_;
  std::vector<double> x_ticks_, y_ticks_;
  std::pair<double, double> x_range_;
};

std::pair<double, double> span_of(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

std::string path_through(const Frame& frame, const std::vector<std::pair<double, double>>& points) {
  std::string path;
  for (const auto& [x, y] : points)
    path += (path.empty() ? "M" : " L") + fixed(frame.x(x)) + " " + fixed(frame.y(y));
  return path;
}

std::string area_under(const Frame& frame, const std::vector<std::pair<double, double>>& points) {
  return path_through(frame, points) + " L" + fixed(frame.x(points.back().first)) + " " +
         fixed(frame.bottom()) + " L" + fixed(frame.x(points.front().first)) + " " +
         fixed(frame.bottom()) + " Z";
}

std::string shown(double y, bool percent) { return percent ? report::percent(y) : rounded(y, 4); }

std::string marks(const Frame& frame, const LineChart& chart,
                  const std::vector<std::pair<double, double>>& points) {
  std::string text;
  const double radius = points.size() <= kMostMarks ? 3.0 : 1.5;
  for (const auto& [x, y] : points) {
    const std::string tip = chart.x_label + " " + number(x) + ": " + shown(y, chart.percent);
    text += element("circle",
                    {{"cx", fixed(frame.x(x))},
                     {"cy", fixed(frame.y(y))},
                     {"r", fixed(radius)},
                     {"fill", chart.colour}},
                    html_text("title", tip));
  }
  return text;
}

std::vector<std::pair<double, double>> finite(
    const std::vector<std::pair<double, double>>& points) {
  std::vector<std::pair<double, double>> kept;
  for (const auto& point : points)
    if (std::isfinite(point.first) && std::isfinite(point.second)) kept.push_back(point);
  return kept;
}

std::string empty_drawing(int width, int height, const std::string& title) {
  const Frame frame(width, height, {}, {0.0, 1.0}, {0.0, 1.0});
  return frame.drawing(title, "No data.",
                       Frame::label(width / 2.0, height / 2.0, "middle", "no data"));
}

std::string described(const LineChart& chart,
                      const std::vector<std::pair<double, double>>& points) {
  return "From " + shown(points.front().second, chart.percent) + " at " + chart.x_label + " " +
         number(points.front().first) + " to " + shown(points.back().second, chart.percent) +
         " at " + chart.x_label + " " + number(points.back().first) + ".";
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (!(high - low > 1e-9 * size)) {
    const double half = size == 0.0 ? 0.5 : size / 2;
    low -= half;
    high += half;
  }
  const double rough = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double part = rough / power;
  const double step = power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  std::vector<double> ticks;
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string svg_line_chart(const LineChart& chart) {
  const auto points = finite(chart.points);
  if (points.empty()) return empty_drawing(chart.width, chart.height, chart.title);
  std::vector<double> ys;
  for (const auto& point : points) ys.push_back(point.second);
  const bool has_reference = chart.reference && std::isfinite(*chart.reference);
  if (has_reference) ys.push_back(*chart.reference);
  if (chart.from_zero) ys.push_back(0.0);
  const auto [low, high] = span_of(ys);
  const std::pair<double, double> x_range = {points.front().first, points.back().first};
  const Frame frame(chart.width, chart.height, axis_ticks(x_range.first, x_range.second, 6),
                    axis_ticks(low, high, 4), x_range);

  std::string content = frame.axes(chart.x_label, chart.percent);
  if (points.size() > 1) {
    content += element(
        "path", {{"d", area_under(frame, points)}, {"fill", chart.colour}, {"opacity", "0.08"}});
    content += element("path", {{"d", path_through(frame, points)},
                                {"fill", "none"},
                                {"stroke", chart.colour},
                                {"stroke-width", "2"},
                                {"stroke-linejoin", "round"}});
  }
  content += marks(frame, chart, points);
  if (has_reference) {
    const double y = frame.y(*chart.reference);
    content += frame.line(y, "var(--muted, #64748b)", "5 4");
    content += Frame::label(kLeft + 6, y < 30 ? y + 15 : y - 6, "start", chart.reference_label);
  }
  return frame.drawing(chart.title, described(chart, points), content);
}

std::string svg_histogram(const Histogram& histogram) {
  std::vector<double> values;
  for (const double value : histogram.values)
    if (std::isfinite(value)) values.push_back(value);
  if (values.empty()) return empty_drawing(histogram.width, histogram.height, histogram.title);
  const auto [low, high] = span_of(values);
  const auto edges = axis_ticks(low, high, histogram.bins);
  std::vector<double> counts(edges.size() - 1, 0.0);
  for (const double value : values) {
    const auto above = std::upper_bound(edges.begin(), edges.end(), value) - edges.begin();
    counts[static_cast<size_t>(std::clamp<int64_t>(above - 1, 0, std::ssize(counts) - 1))] += 1;
  }
  const double most = *std::max_element(counts.begin(), counts.end());
  const Frame frame(histogram.width, histogram.height, axis_ticks(edges.front(), edges.back(), 6),
                    axis_ticks(0.0, most, 3), {edges.front(), edges.back()});
  std::string content = frame.axes(histogram.x_label, false);
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0.0) continue;
    const double left = frame.x(edges[i]) + 1, top = frame.y(counts[i]);
    content +=
        element("rect",
                {{"x", fixed(left)},
                 {"y", fixed(top)},
                 {"width", fixed(std::max(1.0, frame.x(edges[i + 1]) - left - 1))},
                 {"height", fixed(frame.bottom() - top)},
                 {"fill", histogram.colour}},
                html_text("title", tick_text(edges[i], false) + " to " +
                                       tick_text(edges[i + 1], false) + ": " + number(counts[i])));
  }
  return frame.drawing(histogram.title,
                       report::grouped(std::ssize(values)) + " values from " + rounded(low, 4) +
                           " to " + rounded(high, 4) + ".",
                       content);
}

}  // namespace starling
