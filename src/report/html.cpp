#include "starling/report/html.h"

namespace starling {

std::string escape_html(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const bool control = (static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t') || c == 127;
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        if (control)
          result += "\xEF\xBF\xBD";
        else
          result += c;
    }
  }
  return result;
}

std::string html_element(std::string_view name, const HtmlAttributes& attributes,
                         std::string_view content) {
  std::string result = "<" + std::string(name);
  for (const auto& [key, value] : attributes)
    result.append(" ").append(key).append("=\"").append(escape_html(value)).append("\"");
  return result.append(">").append(content).append("</").append(name).append(">");
}

std::string html_text(std::string_view name, std::string_view text) {
  return html_element(name, {}, escape_html(text));
}

}  // namespace starling
