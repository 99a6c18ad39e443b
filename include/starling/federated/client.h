#pragma once
// One participant: its own examples, and what it does with the global model in a round.

#include <cstdint>
#include <memory>
#include <optional>

#include "starling/nn/state.h"
#include "starling/train/trainer.h"

namespace starling {

// What a client's training came to. `metrics` stays behind: it is for the private log.
struct ClientUpdate {
  int64_t client = -1;
  int64_t round = -1;
  int64_t examples = 0;  // declared public at example level under zero_out
  StateDict state;       // the client's model after local training; Client::train returns the
                         // model's own tensors, which hold until the model is used again. Where
                         // the server adds the noise of example-level privacy: the sum of clipped
                         // gradients, 0 for buffers
  LocalMetrics metrics;
  double learning_rate = 0.0;      // of the local optimizer in this round
  double momentum = 0.0;           // of it
  double initial_loss = 0.0;       // of the global model on the client's examples, where asked for
  int64_t staleness = 0;           // global models made since the client began
  std::optional<size_t> device{};  // whose architecture `state` is of; absent: the server's
  std::vector<double> device_update{};  // trained - start there, where the strategy has global
                                        // models of devices; `state` is not read then
  std::vector<double> answers{};        // of the trained model on the public set, where distilled
};

// One client's work in one round.
struct ClientTask {
  int64_t round = 0;
  LocalPlan local;
  RandomKey key;  // decides batches and noise; secret under DP
  std::optional<ExampleLevel> privacy;
  bool sum_only = false;       // upload the sum of clipped gradients; the server adds the noise
  bool fixed_buffers = false;  // true under any privacy: buffers that training changes are refused
  bool initial_loss = false;   // evaluate before training
  // Asynchronous rounds: the global model that the client began with; null: the present one.
  std::shared_ptr<const StateDict> start;
  int64_t staleness = 0;
};

class Client {
 public:
  Client(int64_t id, Examples data);

  int64_t id() const { return id_; }
  int64_t size() const { return data_.size(); }
  const Examples& data() const { return data_; }

  // Loads `global` into the model, trains, and returns the result. The model is scratch space.
  ClientUpdate train(Model& model, const StateDict& global, const ClientTask& task) const;

 private:
  int64_t id_;
  Examples data_;
};

}  // namespace starling
