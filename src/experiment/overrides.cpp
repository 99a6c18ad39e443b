#include "starling/core/error.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

std::string place(const std::string& pointer) { return "--set " + pointer; }

// RFC 6901: ~1 is '/', ~0 is '~'.
std::string unescaped(const std::string& token, const std::string& pointer) {
  std::string text;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      text += token[i];
      continue;
    }
    const char next = i + 1 < token.size() ? token[++i] : '\0';
    if (next != '0' && next != '1')
      throw InputError(place(pointer), "\"~\" is written ~0 and \"/\" is written ~1 in a pointer");
    text += next == '0' ? '~' : '/';
  }
  return text;
}

std::vector<std::string> steps_of(const std::string& pointer) {
  std::vector<std::string> steps;
  for (size_t begin = 1; begin <= pointer.size();) {
    const size_t end = std::min(pointer.find('/', begin), pointer.size());
    steps.push_back(unescaped(pointer.substr(begin, end - begin), pointer));
    begin = end + 1;
  }
  return steps;
}

Json& element(Json& array, const std::string& step, const std::string& pointer) {
  const bool is_index = !step.empty() && step.size() < 10 &&
                        step.find_first_not_of("0123456789") == std::string::npos;
  const size_t index = is_index ? std::stoul(step) : array.size();
  if (index < array.size()) return array[index];
  throw InputError(place(pointer), "\"" + step + "\" is not an element of the list, which has " +
                                       std::to_string(array.size()));
}

Json& member(Json& parent, const std::string& step, const std::string& pointer) {
  if (parent.is_null()) parent = Json::object();
  if (parent.is_object()) return parent[step];
  if (parent.is_array()) return element(parent, step, pointer);
  throw InputError(place(pointer), "\"" + step + "\" is looked up in " + parent.dump() +
                                       ", which is neither an object nor a list");
}

Json value_of(const std::string& text) {
  try {
    return parse_json(text, "--set");
  } catch (const InputError&) {
    return text;
  }
}

}  // namespace

Override parse_override(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos)
    throw InputError("--set " + text, "has no \"=\"; write --set /json/pointer=value");
  const std::string pointer = text.substr(0, equals);
  if (pointer.size() < 2 || pointer[0] != '/')
    throw InputError("--set " + text, "a pointer begins with \"/\", such as /local/batch_size");
  return {pointer, value_of(text.substr(equals + 1))};
}

void apply_overrides(Json& json, const std::vector<std::string>& overrides) {
  for (const auto& text : overrides) {
    const Override change = parse_override(text);
    Json* target = &json;
    for (const auto& step : steps_of(change.pointer))
      target = &member(*target, step, change.pointer);
    *target = change.value;
  }
}

}  // namespace starling
