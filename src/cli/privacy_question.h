#pragma once
// What a person asks of `starling privacy`, from flags. Flags are read once, strictly: every error
// names the flag, its value and what is allowed.

#include <optional>
#include <string>
#include <vector>

#include "starling/privacy/compose.h"
#include "starling/privacy/event_json.h"
#include "starling/privacy/ledger.h"

namespace starling::cli {

enum class Asked { epsilon, noise, steps, rate, delta, curve, compare, explain };

struct PrivacyQuestion {
  Asked asked = Asked::epsilon;
  // The releases. For `noise` and `rate` those are placeholders, for `steps` it is one round.
  Composition composition;
  double epsilon = 0.0;  // of noise, steps, rate and delta, and of explain where it is given
  double delta = 0.0;    // of all but delta
  std::optional<double> client_delta;  // of a ledger's client level, where it has its own
  bool at_epsilon = false;             // explain delta at `epsilon`
  std::string accountant;              // empty: exact, or rdp where exact cannot take an event
  bool json = false;
  std::string ledger;  // a path; the composition is then empty
  std::optional<LedgerHead> head;
  Overlap overlap;
  std::string out;                         // curve: a .svg or .csv path; empty prints CSV
  int64_t points = 50;                     // curve
  std::optional<int64_t> examples;         // --examples
  std::optional<int64_t> steps_per_epoch;  // where --examples and --batch are given
  std::vector<std::string> notes;          // what was assumed, in words
};

// "epsilon", "noise", ... Errors: InputError with the nearest word.
Asked asked_from_string(const std::string& word);
std::string to_string(Asked asked);

// argv[0] is the word of `asked`. Nothing where --help was asked for and printed.
std::optional<PrivacyQuestion> read_question(Asked asked, int argc, char** argv);

// The help of `starling privacy` itself.
std::string privacy_help();

}  // namespace starling::cli
