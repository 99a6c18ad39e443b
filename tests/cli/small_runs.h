#pragma once
// Experiments of a second, run by the program in a folder of the test's own.

#include <string>

#include "cli/program.h"
#include "starling/core/json.h"

namespace starling::testing {

inline constexpr char kPlain[] = R"({
  "name": "plain",
  "dataset": {"name": "digits", "train_limit": 400, "test_limit": 100},
  "partition": {"kind": "dirichlet", "clients": 4, "alpha": 1.0},
  "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 16},
                       {"kind": "relu"}, {"kind": "dropout", "p": 0.2},
                       {"kind": "linear", "out_features": 10}]},
  "rounds": 3,
  "participation": {"kind": "fraction", "fraction": 0.5}
})";

inline constexpr char kPrivate[] = R"({
  "name": "private",
  "dataset": {"name": "digits", "train_limit": 400, "test_limit": 100},
  "partition": {"kind": "iid", "clients": 4},
  "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 10}]},
  "rounds": 3,
  "privacy": {"unit": "example", "epsilon": 4, "delta": 1e-4}
})";

inline Json record_of(const Folder& folder, const std::string& out) {
  return read_json(folder / (out + "/run.json"));
}

}  // namespace starling::testing
