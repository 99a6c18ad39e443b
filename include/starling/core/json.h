#pragma once
// Strict JSON. Text is refused where a lenient reader guesses: duplicate keys, nesting deeper than
// 64, more than four million values, integers outside int64, non-zero numbers that would read as 0
// or infinity, invalid UTF-8, anything after the value. `JsonObject` then reads the members of one
// object: every read names its type and range, every error names file, JSON pointer, value and what
// is allowed, and `finish()` refuses members that nobody asked for, with the nearest known key.

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace starling {

// Keeps the order of keys, so that files we write read in the order we wrote them.
using Json = nlohmann::ordered_json;

// Errors: InputError "<source>: ..." with line and column where the text is malformed.
Json parse_json(std::string_view text, const std::string& source);
// The file may hold at most 64 MiB.
Json read_json(const std::string& path);

// The real numbers that a member may take.
struct Interval {
  double low = -std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::max();
  bool low_open = false;
  bool high_open = false;

  bool contains(double value) const;
  std::string text() const;  // "[0, 1)"
};
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr Interval kPositive{0.0, kInfinity, true, true};
inline constexpr Interval kNonNegative{0.0, kInfinity, false, true};
inline constexpr Interval kUnitOpenClosed{0.0, 1.0, true, false};  // (0, 1]
inline constexpr Interval kUnitClosedOpen{0.0, 1.0, false, true};  // [0, 1)
inline constexpr Interval kUnitOpen{0.0, 1.0, true, true};         // (0, 1)
inline constexpr Interval kUnit{0.0, 1.0, false, false};           // [0, 1]

class JsonObject {
 public:
  // Refers to `value`, which must outlive the reader. Errors: InputError unless it is an object.
  JsonObject(const Json& value, std::string source, std::string pointer = "");

  // True where the member is present and not null. Marks the key as known.
  bool has(const std::string& key);

  // Required members.
  std::string string(const std::string& key);
  double number(const std::string& key, Interval allowed = {});
  int64_t integer(const std::string& key, int64_t low, int64_t high);
  bool boolean(const std::string& key);
  std::vector<double> numbers(const std::string& key, Interval allowed = {});
  std::vector<int64_t> integers(const std::string& key, int64_t low, int64_t high);
  std::vector<std::string> strings(const std::string& key);
  JsonObject object(const std::string& key);
  std::vector<JsonObject> objects(const std::string& key);
  const Json& raw(const std::string& key);

  // The same with a default for an absent or null member.
  std::string string(const std::string& key, const std::string& fallback);
  double number(const std::string& key, Interval allowed, double fallback);
  int64_t integer(const std::string& key, int64_t low, int64_t high, int64_t fallback);
  bool boolean(const std::string& key, bool fallback);
  std::optional<double> optional_number(const std::string& key, Interval allowed = {});
  std::optional<int64_t> optional_integer(const std::string& key, int64_t low, int64_t high);
  // An absent member reads as an empty object, so that its own defaults apply.
  JsonObject object_or_empty(const std::string& key);

  // One of several words; the error lists them and suggests the nearest.
  template <class Enum>
  Enum choice(const std::string& key, const std::vector<std::pair<std::string, Enum>>& allowed) {
    return allowed[choose(key, words(allowed))].second;
  }
  template <class Enum>
  Enum choice(const std::string& key, const std::vector<std::pair<std::string, Enum>>& allowed,
              Enum fallback) {
    return has(key) ? choice(key, allowed) : fallback;
  }

  // Refuses every member that was never asked for.
  void finish() const;

  // Throws InputError "<source>: <pointer>/<key>: <problem>"; with an empty key, at this object.
  [[noreturn]] void fail(const std::string& key, const std::string& problem) const;
  std::string place(const std::string& key) const;
  const std::string& source() const { return source_; }
  const std::string& pointer() const { return pointer_; }
  const Json& value() const { return *value_; }

 private:
  const Json& required(const std::string& key);
  size_t choose(const std::string& key, const std::vector<std::string>& words);
  template <class Enum>
  static std::vector<std::string> words(const std::vector<std::pair<std::string, Enum>>& allowed) {
    std::vector<std::string> names;
    for (const auto& [name, value] : allowed) names.push_back(name);
    return names;
  }

  const Json* value_;
  std::string source_;
  std::string pointer_;
  std::vector<std::string> known_;
};

// The candidate at the smallest edit distance, where that is close enough to be a slip of the hand.
std::optional<std::string> nearest(const std::string& word,
                                   const std::vector<std::string>& candidates);
// ` (did you mean "x"?)`, or nothing.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace starling
