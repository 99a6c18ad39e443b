#pragma once
#include "starling/core/json.h"
#include "starling/data/phrases.h"

namespace starling {

// Reads the members of a description that say how phrases are made. Errors: InputError with file
// and JSON pointer, those of vocabulary_of included.
PhraseGrammar parse_phrase_grammar(JsonObject& object);

}  // namespace starling
