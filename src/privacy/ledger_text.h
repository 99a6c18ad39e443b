#pragma once
// The text of a ledger line. The hash covers the bytes before its own member, so that a reader
// needs no canonical form of JSON: `{..., "previous": "..."}` is hashed, then `,"hash":"..."` is
// put before the closing brace.

#include <string>
#include <string_view>

#include "starling/privacy/ledger.h"

namespace starling::ledger_text {

// Everything but sequence, previous and hash: equal for a release and its replay.
std::string content(const LedgerEntry& entry);
std::string hash_of(const LedgerLine& line);
// With the line feed.
std::string whole(const LedgerLine& line);
// `text` is one line without its line feed. Errors: InputError at `place`, a wrong hash included.
LedgerLine read_line(std::string_view text, const std::string& place);

}  // namespace starling::ledger_text
