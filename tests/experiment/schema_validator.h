#pragma once
// The part of JSON Schema draft 2020-12 that our schema uses. A keyword outside it throws, so that
// no rule is passed over in silence.

#include <algorithm>
#include <regex>
#include <stdexcept>
#include <string>

#include "starling/core/json.h"

namespace starling::test {

class SchemaValidator {
 public:
  explicit SchemaValidator(const Json& root) : root_(root) {}

  bool accepts(const Json& value) const { return accepts(root_, value); }

  bool accepts(const Json& schema, const Json& value) const {
    for (const auto& item : schema.items())
      if (!holds(item.key(), item.value(), schema, value)) return false;
    return true;
  }

  // The schema that a "$ref" names, with the members beside the reference on top.
  Json resolved(const Json& schema) const {
    if (!schema.contains("$ref")) return schema;
    Json target = root_.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1)));
    for (const auto& item : schema.items())
      if (item.key() != "$ref") target[item.key()] = item.value();
    return target;
  }

 private:
  static bool is(const std::string& type, const Json& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    if (type == "null") return value.is_null();
    throw std::logic_error("type " + type);
  }

  static bool has_type(const Json& type, const Json& value) {
    if (type.is_string()) return is(type, value);
    return std::any_of(type.begin(), type.end(), [&](const Json& one) { return is(one, value); });
  }

  bool properties_hold(const Json& properties, const Json& value) const {
    return std::all_of(properties.items().begin(), properties.items().end(), [&](const auto& item) {
      return !value.contains(item.key()) || accepts(item.value(), value[item.key()]);
    });
  }

  static bool has_only(const Json& properties, const Json& value) {
    return std::all_of(value.items().begin(), value.items().end(),
                       [&](const auto& item) { return properties.contains(item.key()); });
  }

  int64_t accepting(const Json& schemas, const Json& value) const {
    return std::count_if(schemas.begin(), schemas.end(),
                         [&](const Json& one) { return accepts(one, value); });
  }

  bool holds(const std::string& keyword, const Json& rule, const Json& schema,
             const Json& value) const {
    static const std::string kSilent[] = {"$schema", "$defs", "title", "description", "default"};
    if (std::find(std::begin(kSilent), std::end(kSilent), keyword) != std::end(kSilent))
      return true;
    if (keyword == "$ref")
      return accepts(root_.at(Json::json_pointer(rule.get<std::string>().substr(1))), value);
    if (keyword == "type") return has_type(rule, value);
    if (keyword == "const") return value == rule;
    if (keyword == "enum") return std::find(rule.begin(), rule.end(), value) != rule.end();
    if (keyword == "not") return !accepts(rule, value);
    if (keyword == "oneOf") return accepting(rule, value) == 1;
    if (keyword == "minimum") return !value.is_number() || value >= rule;
    if (keyword == "maximum") return !value.is_number() || value <= rule;
    if (keyword == "exclusiveMinimum") return !value.is_number() || value > rule;
    if (keyword == "exclusiveMaximum") return !value.is_number() || value < rule;
    if (keyword == "minLength")
      return !value.is_string() || value.get<std::string>().size() >= rule.get<size_t>();
    if (keyword == "pattern")
      return !value.is_string() ||
             std::regex_search(value.get<std::string>(), std::regex(rule.get<std::string>()));
    if (keyword == "minItems") return !value.is_array() || value.size() >= rule.get<size_t>();
    if (keyword == "maxItems") return !value.is_array() || value.size() <= rule.get<size_t>();
    if (keyword == "items")
      return !value.is_array() || std::all_of(value.begin(), value.end(),
                                              [&](const Json& one) { return accepts(rule, one); });
    if (keyword == "properties") return !value.is_object() || properties_hold(rule, value);
    if (keyword == "required")
      return !value.is_object() || std::all_of(rule.begin(), rule.end(), [&](const Json& key) {
        return value.contains(key.get<std::string>());
      });
    if (keyword == "additionalProperties")
      return !value.is_object() || has_only(schema.value("properties", Json::object()), value);
    throw std::logic_error("keyword " + keyword);
  }

  const Json& root_;
};

}  // namespace starling::test
