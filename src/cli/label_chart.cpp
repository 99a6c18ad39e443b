#include "cli/label_chart.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "starling/report/html.h"

namespace starling::cli {
namespace {

constexpr double kLeft = 60, kTop = 60, kBarWidth = 640, kRight = 20;
constexpr double kThickest = 22, kTallest = 1600, kLegendStep = 64;

// Hues a golden angle apart, so that neighbours differ for any number of classes.
std::string colour(size_t label) {
  const double hue = std::fmod(static_cast<double>(label) * 137.508, 360.0);
  const int lightness = label % 2 == 0 ? 52 : 66;
  return "hsl(" + std::to_string(static_cast<int>(hue)) + ",62%," + std::to_string(lightness) +
         "%)";
}

std::string number(double value) {
  std::ostringstream text;
  text.precision(6);
  text << value;
  return text.str();
}

std::string rectangle(double x, double y, double width, double height, size_t label,
                      const std::string& tooltip) {
  return html_element("rect",
                      {{"x", number(x)},
                       {"y", number(y)},
                       {"width", number(width)},
                       {"height", number(height)},
                       {"fill", colour(label)}},
                      html_text("title", tooltip)) +
         "\n";
}

std::string label_text(double x, double y, const std::string& anchor, const std::string& text) {
  return html_element("text",
                      {{"x", number(x)},
                       {"y", number(y)},
                       {"text-anchor", anchor},
                       {"font-size", "12"},
                       {"fill", "var(--ink, #1f2937)"}},
                      escape_html(text)) +
         "\n";
}

int64_t largest(const LabelCounts& counts) {
  int64_t most = 1;
  for (size_t k = 0; k < counts.clients.size(); ++k) most = std::max(most, counts.examples_of(k));
  return most;
}

std::string bar(const LabelCounts& counts, size_t client, double y, double height, double scale) {
  std::string text;
  double x = kLeft;
  for (size_t label = 0; label < counts.names.size(); ++label) {
    const int64_t count = counts.clients[client][label];
    if (count == 0) continue;
    const double width = scale * static_cast<double>(count);
    text += rectangle(x, y, width, height, label,
                      "client " + std::to_string(client) + ", " + counts.names[label] + ": " +
                          std::to_string(count));
    x += width;
  }
  return text;
}

std::string legend(const LabelCounts& counts) {
  std::string text;
  for (size_t label = 0; label < counts.names.size(); ++label) {
    const double x = kLeft + kLegendStep * static_cast<double>(label);
    if (x > kLeft + kBarWidth - kLegendStep && label + 1 < counts.names.size())
      return text + label_text(x, 46, "start", "...");
    text += rectangle(x, 36, 10, 10, label, counts.names[label]) +
            label_text(x + 14, 46, "start", counts.names[label].substr(0, 6));
  }
  return text;
}

}  // namespace

int64_t LabelCounts::examples_of(size_t client) const {
  return std::accumulate(clients[client].begin(), clients[client].end(), int64_t{0});
}

std::string label_chart_svg(const LabelCounts& counts, const std::string& title) {
  const auto rows = static_cast<double>(std::max<size_t>(1, counts.clients.size()));
  const double step = std::min(kThickest, kTallest / rows);
  const double scale = kBarWidth / static_cast<double>(largest(counts));
  std::string content =
      html_text("title", title) + "\n" + label_text(kLeft, 22, "start", title) + legend(counts);
  // As many client numbers as find room.
  const auto every = static_cast<size_t>(std::ceil(14.0 / step));
  for (size_t k = 0; k < counts.clients.size(); ++k) {
    const double y = kTop + step * static_cast<double>(k);
    content += bar(counts, k, y, step > 4 ? step - 2 : step, scale);
    if (k % every == 0)
      content += label_text(kLeft - 8, y + step / 2 + 4, "end", std::to_string(k));
  }
  const double width = kLeft + kBarWidth + kRight, height = kTop + step * rows + 20;
  return html_element("svg",
                      {{"xmlns", "http://www.w3.org/2000/svg"},
                       {"role", "img"},
                       {"viewBox", "0 0 " + number(width) + " " + number(height)},
                       {"width", number(width)},
                       {"height", number(height)},
                       {"font-family", "system-ui, sans-serif"}},
                      content) +
         "\n";
}

std::string label_chart_html(const LabelCounts& counts, const std::string& title,
                             const std::string& summary) {
  std::string head = html_text("th", "client") + html_text("th", "examples");
  for (const auto& name : counts.names) head += html_text("th", name);
  std::string rows = html_element("tr", {}, head);
  for (size_t k = 0; k < counts.clients.size(); ++k) {
    std::string cells =
        html_text("td", std::to_string(k)) + html_text("td", std::to_string(counts.examples_of(k)));
    for (const int64_t count : counts.clients[k]) cells += html_text("td", std::to_string(count));
    rows += html_element("tr", {}, cells) + "\n";
  }
  const std::string style =
      "body{font-family:system-ui,sans-serif;margin:2rem;color:#1f2937}"
      "table{border-collapse:collapse;font-size:13px}"
      "td,th{padding:2px 8px;text-align:right;border-bottom:1px solid #e5e7eb}"
      "pre{font-size:13px}";
  return "<!DOCTYPE html>\n" +
         html_element("html", {{"lang", "en"}},
                      html_element("head", {},
                                   "<meta charset=\"utf-8\">" + html_text("title", title) +
                                       html_element("style", {}, style)) +
                          html_element("body", {},
                                       html_text("h1", title) + html_text("pre", summary) +
                                           label_chart_svg(counts, title) +
                                           html_element("table", {}, rows))) +
         "\n";
}

}  // namespace starling::cli
