#pragma once
#include "starling/core/json.h"
#include "starling/data/table.h"

namespace starling {

// The member "table" of a description. Errors: InputError with its pointer.
TableSchema parse_table_schema(JsonObject object);

}  // namespace starling
