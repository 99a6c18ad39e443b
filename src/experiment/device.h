#pragma once
#include <c10/core/Device.h>

#include <string>

#include "starling/experiment/run.h"

namespace starling::experiment {

// Where the models of a run live: options.device, or what the file names. Errors: InputError where
// LibTorch finds no such device.
c10::Device device_for(const Experiment& experiment, const RunOptions& options);

// Off the CPU, has LibTorch choose algorithms that give the same bytes each time, for the whole
// process. Where an operation has none, a private run fails with its name, because a round that is
// repeated after a crash must release the same bytes again; others are warned.
void make_repeatable(const c10::Device& device, bool is_private);

// What results on it depend on, for the run's fingerprint: "cpu", whose kind has a place of its
// own, or the kinds of GPU of this machine with their driver.
std::string describe(const c10::Device& device);

}  // namespace starling::experiment
