#pragma once
// Carries out an experiment: loads and deals out the data, builds the model, decides the plan, then
// trains round by round, writes the run folder, and returns the record.
//
// Run folder: experiment.json (as resolved), rounds.csv, communication.csv (where cohorts are
// public), timings.csv, ledger.jsonl (under privacy), checkpoint/, model.safetensors, run.json,
// report.html, log.txt. rounds.csv, model and ledger hold no time: two runs of one file compare
// byte for byte, without privacy or under insecure_seed.

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "starling/data/dataset.h"
#include "starling/data/linear.h"
#include "starling/data/table.h"
#include "starling/experiment/experiment.h"
#include "starling/experiment/plan.h"
#include "starling/nn/gradient_check.h"
#include "starling/nn/model.h"
#include "starling/nn/probe.h"
#include "starling/nn/state.h"
#include "starling/report/record.h"
#include "starling/train/trainer.h"

namespace starling {

class Ranks;

struct RoundProgress {
  RoundRecord round;
  int64_t rounds_planned = 0;
  double seconds = 0.0;       // since training began
  double seconds_left = 0.0;  // at the present pace
};

struct RunOptions {
  std::string source = "experiment";  // opens error messages
  std::string data_folder;            // looked into first; empty: STARLING_DATA, then datasets/
  std::string out;                    // the run folder; empty: <output.folder>/<name>-<time>
  bool resume = false;                // goes on with the interrupted run in `out`
  std::string key_file;               // where the secret key is kept while the run lasts; empty:
                                      // the user's state folder
  int64_t workers = 0;                // clients trained side by side; 0: one a core. Results do not
                                      // depend on it.
  std::optional<c10::Device> device;  // where models live, in the place of /compute/device: also
                                      // what the file has no word for
  Ranks* ranks = nullptr;  // that carry out the run together (federated/ranks.h); null: this
                           // process alone. Results do not depend on them.
  std::function<void(const RunRecord&, const std::string& folder)> on_start;
  std::function<void(const RoundProgress&)> on_round;
};

// Clients whose devices bear another model than the server.
struct DeviceGroup {
  ModelFactory factory;
  int64_t clients = 0;
  StateDict initial;
};

// Everything a run needs, before its first step.
struct Federation {
  std::vector<Examples> clients;   // by client id
  Examples test;                   // declared public
  std::vector<int64_t> attackers;  // ascending
  std::optional<Examples>
      stamped_test;                   // under a backdoor: other classes, stamped, labelled target
  std::optional<Examples> root;       // the server's own examples, for fltrust
  Examples public_examples;           // of strategies that distil; undefined for others
  int64_t public_answers = 0;         // numbers that a model answers on them in a round
  std::optional<LinearLaw> law;       // that the data were drawn by, where it is known
  std::vector<NumberColumn> columns;  // that are to be standardised privately; scaled to bounds
  ModelFactory factory;               // makes models with the first weights and frozen layers
  StateDict initial;                  // those weights, pretrained where the strategy does so
  std::vector<DeviceGroup> devices;   // of clients 0..
  c10::Device device = c10::kCPU;     // where the factories put models; examples are on the CPU
  int64_t parameters = 0;             // trainable
  int64_t train_examples = 0;
  std::string data_hash;  // SHA-256 of all examples
  FederationPlan plan;
};

// Errors: InputError where file, data, model and plan do not fit together.
Federation set_up(const Experiment& experiment, const RunOptions& options);

// Checks on synthetic inputs that the model keeps the promise of per-example gradients
// (nn/probe.h); every private run begins with it. Errors: InputError naming the module and the
// remedy.
ProbeReport probe_model(const Federation& federation, const std::string& source);

// Compares the model's gradients with central differences, in float64 (nn/gradient_check.h).
// Errors: InputError naming the parameter whose gradient differs.
GradientCheck check_model_gradients(const Federation& federation, const std::string& source);

// Of ranks other than 0, `stopped_by` alone.
struct RunResult {
  RunRecord record;
  std::string folder;
  std::optional<int> stopped_by;  // the signal that asked for an early end; the run can be resumed
};

// A checkpoint is on the disk before the first round and after every one. A run that was
// interrupted, in whatever way, and resumed gives the bytes of one that was not: model, rounds.csv,
// ledger and epsilon. Between rounds it heeds `interrupted()` (core/interrupt.h).
// Errors of a resume: InputError where the folder holds no interrupted run, the experiment, the
// data, the program or the kind of CPU is not the one it began with, the ledger was cut or changed,
// or the secret key is gone; Error where another process writes the folder. With several ranks the
// call is collective, rank 0 alone writes, and what fails on one rank is AgreedError on all.
RunResult run(const Experiment& experiment, const RunOptions& options);

}  // namespace starling
