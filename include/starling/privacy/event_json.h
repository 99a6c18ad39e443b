#pragma once
// Events as JSON, with the names and nesting of ledgers and of `starling privacy --events`:
// {"mechanism": "gaussian", "noise_multiplier": 1.0,
//  "sampling": {"kind": "poisson", "rate": 0.01}, "count": 100}.
// Reading is strict: unknown members and words are refused with the nearest known one, and every
// number has its range. Writing then reading gives the same event bit for bit. A number that may be
// infinite is written as the string "inf".

#include <string>
#include <vector>

#include "starling/core/json.h"
#include "starling/privacy/event.h"

namespace starling {

// What accountants compose: every release about one protected record, and who its neighbours are.
struct Composition {
  Relation relation = Relation::zero_out;
  std::vector<Event> events;
};

Json to_json(const Event& event);
Json to_json(const Composition& composition);

// Errors: InputError with file, JSON pointer, value and allowed range.
// A noise multiplier or a scale may be 0 (epsilon is then infinite), counts lie in [0, 2^53].
Event event_from_json(JsonObject object);
// Either {"relation": "add_remove", "events": [...]} or the bare list; `fallback` is the relation
// of a file that names none.
Composition composition_from_json(const Json& value, const std::string& source,
                                  Relation fallback = Relation::zero_out);

// "zero_out", "add_remove", "replace_one". Errors: InputError at `place` with the nearest word.
Relation relation_from_string(const std::string& word, const std::string& place);

// "Poisson-sampled Gaussian (rate 0.01, noise multiplier 1.1), 10000 times": one event in words.
std::string describe(const Event& event);

// Equal events become one with the sum of their counts, in order of first appearance; events with
// count 0 go. Accounting time grows with distinct events, not with rounds.
// Errors: Error where a sum of counts passes 2^53.
std::vector<Event> merge_equal(const std::vector<Event>& events);

// 0.1 as "0.1", infinity as "inf": the shortest text that reads back as the same double.
std::string number_text(double value);
// A finite number as itself, infinity as "inf", not-a-number as null.
Json number_json(double value);

}  // namespace starling
