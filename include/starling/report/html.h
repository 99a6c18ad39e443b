#pragma once
// HTML text, escaped where it comes from elsewhere.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace starling {

// & < > " ' as entities, control characters other than newline and tab as U+FFFD: safe as text and
// inside quoted attributes, in HTML and in SVG.
std::string escape_html(std::string_view text);

using HtmlAttributes = std::vector<std::pair<std::string, std::string>>;

// <name a="...">content</name>. `content` is HTML; attribute values are escaped.
std::string html_element(std::string_view name, const HtmlAttributes& attributes,
                         std::string_view content);
// The same without attributes, around text that is escaped.
std::string html_text(std::string_view name, std::string_view text);

}  // namespace starling
