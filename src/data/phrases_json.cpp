#include "data/phrases_json.h"

#include <algorithm>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr int64_t kMostWords = 10'000;
constexpr int64_t kMostWriters = 1'000'000;

std::string new_name(JsonObject& object, std::vector<std::string>& known) {
  const std::string name = object.string("name");
  if (name.empty() || name.find_first_of(" {}") != std::string::npos)
    object.fail("name", "is empty, or holds a space or a brace");
  if (std::ranges::find(known, name) != known.end())
    object.fail("name", "\"" + name + "\" is already taken");
  known.push_back(name);
  return name;
}

std::vector<std::string> some_strings(JsonObject& object, const std::string& key) {
  auto strings = object.strings(key);
  if (strings.empty()) object.fail(key, "is empty");
  return strings;
}

std::vector<PhraseClass> parse_classes(JsonObject& object) {
  std::vector<PhraseClass> classes;
  std::vector<std::string> names;
  for (JsonObject& one : object.objects("classes")) {
    const std::string name = new_name(one, names);
    classes.push_back({name, some_strings(one, "words")});
    one.finish();
  }
  if (classes.size() < 2) object.fail("classes", "needs at least two");
  return classes;
}

std::vector<PhraseRule> parse_rules(JsonObject& object) {
  std::vector<PhraseRule> rules;
  std::vector<std::string> names = {"class", "other"};
  for (JsonObject& one : object.objects("rules")) {
    const std::string name = new_name(one, names);
    rules.push_back({name, some_strings(one, "choices")});
    one.finish();
  }
  if (rules.empty()) object.fail("rules", "is empty; the first rule makes the phrase");
  return rules;
}

}  // namespace

PhraseGrammar parse_phrase_grammar(JsonObject& object) {
  PhraseGrammar grammar;
  grammar.length = object.integer("length", 1, kMostWords);
  grammar.writers = object.integer("writers", 1, kMostWriters, 1);
  grammar.habit = object.number("habit", kUnit, 0.0);
  grammar.classes = parse_classes(object);
  grammar.rules = parse_rules(object);
  try {
    vocabulary_of(grammar);
  } catch (const InputError& problem) {
    throw InputError(object.source() + ": " + object.pointer() + "/" + problem.what());
  }
  return grammar;
}

}  // namespace starling
