#pragma once
// How labels are spread over clients, drawn.

#include <cstdint>
#include <string>
#include <vector>

namespace starling::cli {

struct LabelCounts {
  std::vector<std::vector<int64_t>> clients;  // [clients][classes]
  std::vector<std::string> names;             // of the classes
  int64_t examples_of(size_t client) const;
};

// One bar a client, as long as it has examples, in one colour a class: SVG text that stands alone
// or in a page. Bars grow thinner where there are many clients.
std::string label_chart_svg(const LabelCounts& counts, const std::string& title);

// The chart and the counts as a table: a page that needs nothing else.
std::string label_chart_html(const LabelCounts& counts, const std::string& title,
                             const std::string& summary);

}  // namespace starling::cli
