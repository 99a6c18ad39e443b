#pragma once
// What a fuzz target is, and the loop that all of them share. A target reads bytes from strangers:
// it returns where they are valid and throws starling::Error where they are refused. Anything else
// is a finding: another exception, a crash, a sanitizer's report, an InternalError.
//
// The loop is deterministic: input i of a target is the same in every run, so that a finding is
// found again. The same targets serve libFuzzer (STARLING_LIBFUZZER, see fuzzer_main.cpp).

#include <cstdint>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace starling::fuzz {

// An invariant of accepted input that does not hold.
class InternalError : public std::logic_error {
  using std::logic_error::logic_error;
};
inline void require(bool holds, const char* what) {
  if (!holds) throw InternalError(what);
}

struct Target {
  std::string name;
  std::vector<std::string> seeds;       // valid inputs
  std::vector<std::string> dictionary;  // what the format's slips and attacks are made of
  std::function<void(std::string_view)> read;
  // Makes checksums fit again, so that what lies behind them is reached; may be empty.
  std::function<std::string(std::string)> repair;
};

// Every reader that needs no LibTorch.
std::vector<Target> targets();

struct Outcome {
  int64_t accepted = 0;
  int64_t refused = 0;
};

// Input `trial` of the target: a seed with one to eight changes.
std::string mutated(const Target& target, uint64_t trial);
// Reads inputs 0..count-1. Errors: InternalError naming target and trial for the first finding that
// is an exception.
Outcome run(const Target& target, int64_t count);

}  // namespace starling::fuzz
