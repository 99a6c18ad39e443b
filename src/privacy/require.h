#pragma once
// What a plan's fields must satisfy. Errors: InputError at `place`.

#include <string>

#include "starling/core/error.h"
#include "starling/core/json.h"
#include "starling/privacy/event_json.h"

namespace starling {

inline void require(bool holds, const std::string& place, const std::string& problem) {
  if (!holds) throw InputError(place, problem);
}

// NaN lies in no interval.
inline void require_in(double value, const Interval& allowed, const std::string& place,
                       const std::string& field) {
  require(allowed.contains(value), place,
          field + " " + number_text(value) + " is outside " + allowed.text());
}

}  // namespace starling
