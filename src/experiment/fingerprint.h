#pragma once
#include <string>
#include <utility>
#include <vector>

#include "starling/core/json.h"
#include "starling/experiment/experiment.h"

namespace starling::experiment {

// What a run's bytes depend on besides file, data and keys: bitwise identity is promised where
// these are equal (those that decides_bytes leaves out excepted).
using Environment = std::vector<std::pair<std::string, std::string>>;
// `device`: as describe() of device.h says. `workers` of this rank; of one rank alone, the number
// of ranks is left out.
Environment environment_of(const std::string& device, int64_t workers, int64_t ranks = 1);
// False for "workers" and "ranks".
bool decides_bytes(const std::string& name);

// SHA-256 of what decides the released bytes, apart from the random stream.
std::string config_hash(const Json& resolved, const std::string& data_hash,
                        const Environment& environment);

// Runs that are repeatable have repeatable ids, so that their ledgers compare byte for byte.
std::string run_id(const Experiment& experiment, const std::string& config);

}  // namespace starling::experiment
