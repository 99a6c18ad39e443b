#include "starling/core/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string shown(const Json& value) {
  auto text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

// What decides which keys are known, where something does: ` beside "kind": "iid"`.
std::string beside(const Json& object) {
  for (const char* key : {"kind", "unit"})
    if (object.contains(key)) return " beside \"" + std::string(key) + "\": " + shown(object[key]);
  return "";
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  return text;
}

std::string number_text(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string escaped(const std::string& key) {
  std::string text;
  for (const char c : key) text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return text;
}

}  // namespace

bool Interval::contains(double value) const {
  return (low_open ? value > low : value >= low) && (high_open ? value < high : value <= high);
}

std::string Interval::text() const {
  const double largest = std::numeric_limits<double>::max();
  const bool unbounded_low = low <= -largest;
  const bool unbounded_high = high >= largest;
  if (unbounded_low && unbounded_high) return "the finite numbers";
  if (unbounded_high)
    return std::string(low_open ? "numbers above " : "numbers from ") + number_text(low);
  return (low_open ? "(" : "[") + number_text(low) + ", " + number_text(high) +
         (high_open ? ")" : "]");
}

std::optional<std::string> nearest(const std::string& word,
                                   const std::vector<std::string>& candidates) {
  if (word.size() > 256) return std::nullopt;
  size_t best = std::max<size_t>(2, word.size() / 3) + 1;
  std::optional<std::string> found;
  for (const auto& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const auto match = nearest(word, candidates);
  return match ? " (did you mean \"" + *match + "\"?)" : "";
}

JsonObject::JsonObject(const Json& value, std::string source, std::string pointer)
    : value_(&value), source_(std::move(source)), pointer_(std::move(pointer)) {
  if (!value.is_object()) fail("", shown(value) + " is not an object {...}");
}

bool JsonObject::has(const std::string& key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  const auto member = value_->find(key);
  return member != value_->end() && !member->is_null();
}

const Json& JsonObject::required(const std::string& key) {
  if (has(key)) return (*value_)[key];
  for (const auto& item : value_->items()) {
    if (std::find(known_.begin(), known_.end(), item.key()) != known_.end()) continue;
    if (nearest(item.key(), {key}))
      fail(item.key(), "is not a known key (did you mean \"" + key + "\"?)");
  }
  fail("", "\"" + key + "\" is missing");
}

const Json& JsonObject::raw(const std::string& key) { return required(key); }

std::string JsonObject::string(const std::string& key) {
  const Json& value = required(key);
  if (!value.is_string()) fail(key, shown(value) + " is not a string");
  return value.get<std::string>();
}

double JsonObject::number(const std::string& key, Interval allowed) {
  const Json& value = required(key);
  if (!value.is_number()) fail(key, shown(value) + " is not a number");
  const double number = value.get<double>();
  if (!std::isfinite(number) || !allowed.contains(number))
    fail(key, shown(value) + " is outside " + allowed.text());
  return number;
}

int64_t JsonObject::integer(const std::string& key, int64_t low, int64_t high) {
  const Json& value = required(key);
  if (!value.is_number_integer()) fail(key, shown(value) + " is not an integer");
  const auto number = value.get<int64_t>();
  if (number < low || number > high) {
    const std::string range = high == std::numeric_limits<int64_t>::max()
                                  ? "integers from " + std::to_string(low)
                                  : std::to_string(low) + ".." + std::to_string(high);
    fail(key, shown(value) + " is outside " + range);
  }
  return number;
}

bool JsonObject::boolean(const std::string& key) {
  const Json& value = required(key);
  if (!value.is_boolean()) fail(key, shown(value) + " is neither true nor false");
  return value.get<bool>();
}

namespace {

// One element is read as the only member of a small object, so that checks are written once.
template <class Read>
auto elements(const JsonObject& owner, const std::string& key, const Json& array, Read read) {
  if (!array.is_array()) owner.fail(key, shown(array) + " is not a list [...]");
  std::vector<decltype(read(std::declval<JsonObject&>(), std::string()))> values;
  for (size_t i = 0; i < array.size(); ++i) {
    const std::string index = std::to_string(i);
    const Json holder = Json::object({{index, array[i]}});
    JsonObject one(holder, owner.source(), owner.pointer() + "/" + escaped(key));
    values.push_back(read(one, index));
  }
  return values;
}

}  // namespace

std::vector<double> JsonObject::numbers(const std::string& key, Interval allowed) {
  return elements(*this, key, required(key),
                  [&](JsonObject& one, const std::string& i) { return one.number(i, allowed); });
}

std::vector<int64_t> JsonObject::integers(const std::string& key, int64_t low, int64_t high) {
  return elements(*this, key, required(key),
                  [&](JsonObject& one, const std::string& i) { return one.integer(i, low, high); });
}

std::vector<std::string> JsonObject::strings(const std::string& key) {
  return elements(*this, key, required(key),
                  [](JsonObject& one, const std::string& i) { return one.string(i); });
}

JsonObject JsonObject::object(const std::string& key) {
  return JsonObject(required(key), source_, pointer_ + "/" + escaped(key));
}

std::vector<JsonObject> JsonObject::objects(const std::string& key) {
  const Json& array = required(key);
  if (!array.is_array()) fail(key, shown(array) + " is not a list [...]");
  std::vector<JsonObject> found;
  for (size_t i = 0; i < array.size(); ++i)
    found.emplace_back(array[i], source_, pointer_ + "/" + escaped(key) + "/" + std::to_string(i));
  return found;
}

std::string JsonObject::string(const std::string& key, const std::string& fallback) {
  return has(key) ? string(key) : fallback;
}
double JsonObject::number(const std::string& key, Interval allowed, double fallback) {
  return has(key) ? number(key, allowed) : fallback;
}
int64_t JsonObject::integer(const std::string& key, int64_t low, int64_t high, int64_t fallback) {
  return has(key) ? integer(key, low, high) : fallback;
}
bool JsonObject::boolean(const std::string& key, bool fallback) {
  return has(key) ? boolean(key) : fallback;
}
std::optional<double> JsonObject::optional_number(const std::string& key, Interval allowed) {
  return has(key) ? std::optional(number(key, allowed)) : std::nullopt;
}
std::optional<int64_t> JsonObject::optional_integer(const std::string& key, int64_t low,
                                                    int64_t high) {
  return has(key) ? std::optional(integer(key, low, high)) : std::nullopt;
}
JsonObject JsonObject::object_or_empty(const std::string& key) {
  static const Json kEmpty = Json::object();
  return has(key) ? object(key) : JsonObject(kEmpty, source_, pointer_ + "/" + escaped(key));
}

size_t JsonObject::choose(const std::string& key, const std::vector<std::string>& words) {
  const std::string word = string(key);
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end())
    fail(key, shown(Json(word)) + " is not one of " + listed(words) + did_you_mean(word, words));
  return static_cast<size_t>(found - words.begin());
}

void JsonObject::finish() const {
  for (const auto& item : value_->items()) {
    if (std::find(known_.begin(), known_.end(), item.key()) != known_.end()) continue;
    const auto hint = did_you_mean(item.key(), known_);
    fail(item.key(), "is not a known key" +
                         (hint.empty() ? beside(*value_) + "; known are " + listed(known_) : hint));
  }
}

std::string JsonObject::place(const std::string& key) const {
  const std::string pointer = pointer_ + (key.empty() ? "" : "/" + escaped(key));
  return pointer.empty() ? source_ : source_ + ": " + pointer;
}

void JsonObject::fail(const std::string& key, const std::string& problem) const {
  throw InputError(place(key), problem);
}

}  // namespace starling
