#pragma once
// Names of random streams in the ledger. One that a seed in the experiment repeats says so, so that
// the ledger alone tells that nothing is guaranteed.

#include <string>

namespace starling::experiment {

inline constexpr char kInsecureStream[] = "insecure_seed/";

inline bool is_insecure_stream(const std::string& name) {
  return name.starts_with(kInsecureStream);
}

}  // namespace starling::experiment
