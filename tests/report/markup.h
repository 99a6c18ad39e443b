#pragma once
// A small check that markup is well-formed, for pages and drawings.

#include <cctype>
#include <set>
#include <string>
#include <vector>

namespace starling::test {

inline int64_t count_of(const std::string& text, const std::string& part) {
  int64_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Every element that opens closes, in order; every attribute is quoted; no bare '<' or '&'.
// "" when that holds, else what is wrong.
inline std::string markup_problem(const std::string& text) {
  static const std::set<std::string> kVoid = {"meta", "!DOCTYPE"};
  std::vector<std::string> open;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      const size_t end = text.find(';', at);
      if (end == std::string::npos || end - at > 7) return "bare & at " + text.substr(at, 20);
    }
    if (text[at] != '<') {
      ++at;
      continue;
    }
    size_t end = at + 1;
    for (bool quoted = false; end < text.size() && (quoted || text[end] != '>'); ++end)
      if (text[end] == '"') quoted = !quoted;
    if (end >= text.size()) return "unfinished tag at " + text.substr(at, 20);
    const bool closes = text[at + 1] == '/';
    const size_t begin = at + (closes ? 2 : 1);
    const std::string name = text.substr(begin, text.find_first_of(" >", begin) - begin);
    if (name.empty() || (name[0] != '!' && !std::isalpha(static_cast<unsigned char>(name[0]))))
      return "bare < at " + text.substr(at, 20);
    if (closes) {
      if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
      open.pop_back();
    } else if (kVoid.count(name) == 0) {
      open.push_back(name);
    }
    at = end + 1;
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

}  // namespace starling::test
