// Text to a value: the strict parser. What reads the value is json.cpp.

#include <algorithm>
#include <cmath>
#include <set>

#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/json.h"

namespace starling {
namespace {

constexpr int kDeepest = 64;
constexpr uint64_t kLargestFile = uint64_t{64} << 20;
constexpr int64_t kMostValues = 4'000'000;  // each may take a hundred bytes

bool is_zero_literal(std::string_view literal) {
  for (const char c : literal) {
    if (c == 'e' || c == 'E') break;
    if (c >= '1' && c <= '9') return false;
  }
  return true;
}

// Builds the value event by event, so that what nlohmann's DOM parser hides (duplicate keys, depth,
// numbers that do not fit) is seen.
class StrictBuilder {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  explicit StrictBuilder(std::string source) : source_(std::move(source)) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(number_integer_t value) { return put(value); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      refuse(std::to_string(value) + " is outside the 64-bit integers");
    return put(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& literal) {
    const bool integer_literal = literal.find_first_of(".eE") == string_t::npos;
    if (integer_literal) refuse(shortened(literal) + " is outside the 64-bit integers");
    if (!std::isfinite(value)) refuse(shortened(literal) + " is too large for a number");
    if (value == 0.0 && !is_zero_literal(literal))
      refuse(shortened(literal) + " is too small for a number and would read as 0");
    return put(value);
  }
  bool string(string_t& value) { return put(std::move(value)); }
  bool binary(binary_t&) { return false; }

  bool start_object(size_t) { return open(Json::object()); }
  bool end_object() { return close(); }
  bool start_array(size_t) { return open(Json::array()); }
  bool end_array() { return close(); }
  bool key(string_t& name) {
    if (!keys_.back().insert(name).second)
      refuse("the key \"" + shortened(name) + "\" stands twice");
    key_ = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& problem) {
    error_position_ = position;
    error_ = problem.what();
    return false;
  }

  Json take() { return std::move(root_); }
  const std::string& error() const { return error_; }
  size_t error_position() const { return error_position_; }

 private:
  static std::string shortened(const std::string& text) {
    return text.size() <= 40 ? text : text.substr(0, 37) + "...";
  }

  [[noreturn]] void refuse(const std::string& problem) const {
    std::string pointer;
    for (size_t depth = 0; depth + 1 < path_.size(); ++depth) pointer += "/" + path_[depth + 1];
    throw InputError(source_ + (pointer.empty() ? "" : ": " + pointer), problem);
  }

  Json* put(Json value, bool) {
    if (++values_ > kMostValues)
      refuse("holds more than " + std::to_string(kMostValues) + " values");
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    // Appended without a search: `key` has seen that the name is new.
    auto& members = parent.get_ref<Json::object_t&>();
    members.emplace_back(key_, std::move(value));
    return &members.back().second;
  }
  bool put(Json value) {
    put(std::move(value), true);
    return true;
  }
  bool open(Json value) {
    if (stack_.size() >= kDeepest)
      refuse("is nested deeper than " + std::to_string(kDeepest) + " levels");
    std::string step;
    if (!stack_.empty())
      step = stack_.back()->is_array() ? std::to_string(stack_.back()->size()) : key_;
    stack_.push_back(put(std::move(value), true));
    keys_.emplace_back();
    path_.push_back(step);
    return true;
  }
  bool close() {
    stack_.pop_back();
    keys_.pop_back();
    path_.pop_back();
    return true;
  }

  std::string source_;
  Json root_;
  std::vector<Json*> stack_;
  std::vector<std::set<std::string>> keys_;
  std::vector<std::string> path_;
  std::string key_;
  std::string error_ = "it is malformed";
  size_t error_position_ = 0;
  int64_t values_ = 0;
};

std::string line_and_column(std::string_view text, size_t position) {
  const auto upto = text.substr(0, std::min(position > 0 ? position - 1 : 0, text.size()));
  const auto line = 1 + std::count(upto.begin(), upto.end(), '\n');
  const auto start = upto.rfind('\n');
  const auto column = upto.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

// nlohmann's text is "[json.exception...] parse error at line 1, column 2: reason"; the reason is
// enough, and may quote what was read.
std::string reason_of(const std::string& message) {
  const auto colon = message.find(": ");
  auto reason = colon == std::string::npos ? message : message.substr(colon + 2);
  for (char& c : reason)
    if (static_cast<unsigned char>(c) < 32) c = ' ';
  return reason.size() <= 160 ? reason : reason.substr(0, 157) + "...";
}

}  // namespace

Json parse_json(std::string_view text, const std::string& source) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF")
    throw InputError(source, "begins with a byte-order mark");
  StrictBuilder builder(source);
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    throw InputError(source, line_and_column(text, builder.error_position()) + ": " +
                                 reason_of(builder.error()));
  return builder.take();
}

Json read_json(const std::string& path) {
  std::string text;
  try {
    text = read_file(path, kLargestFile);
  } catch (const Error& problem) {
    throw InputError(problem.what());
  }
  return parse_json(text, path);
}

}  // namespace starling
