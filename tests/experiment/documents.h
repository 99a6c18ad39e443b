#pragma once
// Experiment files for tests, and the text of what they are refused with.

#include <string>
#include <string_view>

#include "starling/core/error.h"
#include "starling/core/json.h"

namespace starling::test {

// Only what is required.
inline Json smallest() {
  return parse_json(R"({"name": "t", "model": {"file": "../models/linear.json"}})", "t");
}

inline Json with(std::string_view pointer, const std::string& value, Json json = smallest()) {
  json[Json::json_pointer(std::string(pointer))] = parse_json(value, "value");
  return json;
}

// Only what is required for example-level privacy.
inline Json smallest_private() { return with("/privacy", R"({"unit": "example", "epsilon": 8})"); }

// Only what is required for client-level privacy.
inline Json smallest_client_level() {
  Json json = with("/privacy", R"({"unit": "client", "epsilon": 8})");
  json["strategy"] = Json::object({{"weights", "uniform"}});
  return json;
}

// Only what is required to protect examples and clients.
inline Json smallest_both() {
  Json json = with("/privacy", R"({"unit": "both", "example": {"epsilon": 2, "delta": 1e-4},
                                   "client": {"epsilon": 2}})");
  json["strategy"] = Json::object({{"weights", "uniform"}});
  json["local"] = parse_json(R"({"steps": 1, "batch_size": 4, "sample_rate": 0.5})", "local");
  return json;
}

// The message of the InputError that `call` throws, or "" when it throws none.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace starling::test
