#pragma once
// How a federation learns: what a client does beside plain local training, what it uploads, and how
// the server turns the mean upload into the next global model. A strategy is one .cpp file, one
// alternative of StrategySpec and one row of the compatibility table. Free of LibTorch: models are
// flat vectors of their floating values, parameters first.
//
// Client methods are const and run on several threads at once; the server's run alone, between
// rounds.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "starling/federated/strategy_spec.h"

namespace starling {

// What a client keeps from one round to the next: empty before it first takes part.
using ClientMemory = std::vector<double>;

// What a strategy adds to every local gradient: proximal * (w - global) + offset, elementwise.
struct LocalCorrection {
  double proximal = 0.0;            // >= 0
  std::vector<double> offset = {};  // empty, or [size of the model]
};

// What local training came to.
struct LocalResult {
  std::span<const double> update = {};  // trained - global, [size]
  int64_t steps = 0;                    // local optimizer steps taken
  int64_t examples = 0;                 // n_i
  double learning_rate = 0.0;           // of the local optimizer in this round
  double momentum = 0.0;                // its heavy-ball momentum, in [0, 1)
  int64_t staleness = 0;                // global models made since the client began; FedBuff only
  double initial_loss = 0.0;  // mean loss of the global model on the client's examples; only
                              // where wants_initial_loss()
  std::span<const double> answers = {};  // of the trained model on the public set; only where
                                         // distilling()
  std::optional<size_t> device = {};     // whose model `update` is of; absent: the server's
};

// How a strategy distils on its public set. Answers are [public examples, classes], row by row.
struct Distilling {
  PublicDistillation settings;
  int64_t answers = 0;               // numbers in those of a round
  bool probabilities = false;        // answers are softmax(logits), not logits
  double target_temperature = 1.0;   // targets are softmax(mean answers / this)
  double student_temperature = 1.0;  // learnt by softmax(logits / this)
  bool at_clients = false;           // clients learn them too, before they train
};

// L1 norm of the weights with which `steps` gradients enter the sum of steps of heavy-ball
// momentum: (steps - momentum (1 - momentum^steps) / (1 - momentum)) / (1 - momentum), which is
// `steps` without momentum (Wang et al. 2020, section 4.1).
double effective_steps(int64_t steps, double momentum);

// FedBuff's 1 / sqrt(1 + staleness); staleness >= 0.
double staleness_weight(int64_t staleness);

// A round's sum, after noise if there is any, over its weight.
struct MeanUpload {
  std::span<const double> values = {};  // [upload_size]
  int64_t clients = 0;                  // uploads in the mean; 0 where their number is private
  int64_t population = 0;               // clients of the federation
  double participation = 1.0;           // expected share of the population in a round, (0, 1]
  double noise_variance = 0.0;          // of each value: the server's noise over the same weight

  // The share of the population in this round, expected where the number is private.
  double share() const {
    return clients > 0 ? static_cast<double>(clients) / static_cast<double>(population)
                       : participation;
  }
};

// A tensor of the model, as far as strategies care.
struct TensorPlace {
  std::string name;   // "3.weight"
  std::string layer;  // kind of the module that owns it: "GroupNorm", "Linear", ...
};

// Server state by name, for checkpoints.
using ServerSlots = std::vector<std::pair<std::string, std::vector<double>*>>;

class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual std::string name() const = 0;

  // At a client ----------------------------------------------------------------------------------
  virtual LocalCorrection correction(const ClientMemory& memory) const;
  // True: training is preceded by one evaluation of the global model on the client's examples.
  virtual bool wants_initial_loss() const { return false; }
  // Coordinates uploaded by a model of `size` coordinates: the update's own first, of which there
  // are none where clients upload answers in its place.
  virtual int64_t upload_size(int64_t size) const { return size; }
  // Those that a client sends; the rest is what the server computes from them.
  virtual int64_t sent_size(int64_t size) const { return upload_size(size); }
  // Coordinates that a client is sent, for a model of which `size` are shared.
  virtual int64_t download_size(int64_t size) const { return size; }
  // Fills `upload`, [upload_size]; may change the client's memory. By default: the update itself.
  virtual void upload(const LocalResult& result, ClientMemory& memory,
                      std::span<double> upload) const;
  // The weight of a client with `examples` examples in the mean; an integer >= 1.
  virtual int64_t weight(int64_t examples) const;

  // True for tensors that stay at the client, which goes on with its own (personalised models);
  // they are neither uploaded nor changed by the server.
  virtual bool keeps_local(const TensorPlace&) const { return false; }
  // Where a client also trains a model of its own, pulled toward the global one by this strength.
  virtual std::optional<double> personal_proximal() const { return std::nullopt; }

  // Null for a strategy that does not distil.
  virtual const Distilling* distilling() const { return nullptr; }
  // The mean answers of the last round that had any, [answers]; empty before it.
  virtual std::span<const double> consensus() const { return {}; }
  // Rounds that had answers so far: which public examples are in turn.
  virtual int64_t consensuses() const { return 0; }
  // Global models of architectures other than the server's, one a class of devices, [its size];
  // empty where such clients keep models of their own.
  virtual std::span<const std::vector<double>> device_models() const { return {}; }

  // At the server --------------------------------------------------------------------------------
  // Changes the global model, [size], by the mean upload of a round that had at least one.
  virtual void apply(std::span<double> global, const MeanUpload& mean) = 0;
  // In the place of device_models()[device].
  virtual void set_device_model(size_t device, std::vector<double> model);
  // Everything that the next rounds depend on; vectors are sized at the first `apply`.
  virtual ServerSlots slots() { return {}; }

 protected:
  explicit Strategy(Weighting weights) : weights_(weights) {}

 private:
  Weighting weights_;
};

// One file each; the specs give paper and algorithm.
std::unique_ptr<Strategy> fedavg(const FedAvgSpec& spec);
std::unique_ptr<Strategy> fedavgm(const FedAvgMSpec& spec);
std::unique_ptr<Strategy> fedprox(const FedProxSpec& spec);
std::unique_ptr<Strategy> scaffold(const ScaffoldSpec& spec);
std::unique_ptr<Strategy> fednova(const FedNovaSpec& spec);
std::unique_ptr<Strategy> fedadagrad(const FedAdagradSpec& spec);
std::unique_ptr<Strategy> fedadam(const FedAdamSpec& spec);
std::unique_ptr<Strategy> fedyogi(const FedYogiSpec& spec);
std::unique_ptr<Strategy> feddyn(const FedDynSpec& spec);
std::unique_ptr<Strategy> qfedavg(const QFedAvgSpec& spec);
std::unique_ptr<Strategy> fedbn(const FedBnSpec& spec);
std::unique_ptr<Strategy> fedper(const FedPerSpec& spec);
std::unique_ptr<Strategy> ditto(const DittoSpec& spec);
std::unique_ptr<Strategy> fedsgd(const FedSgdSpec& spec);
std::unique_ptr<Strategy> fedbuff(const FedBuffSpec& spec);

std::unique_ptr<Strategy> feddf(const FedDfSpec& spec, int64_t answers,
                                std::vector<std::vector<double>> device_models);
std::unique_ptr<Strategy> dsfl(const DsFlSpec& spec, int64_t answers);
std::unique_ptr<Strategy> fedmd(const FedMdSpec& spec, int64_t answers);

// For strategies that distil: how many numbers a model answers in a round, and the initial models
// of the classes of devices.
std::unique_ptr<Strategy> make_strategy(const StrategySpec& spec, int64_t answers = 0,
                                        std::vector<std::vector<double>> device_models = {});

}  // namespace starling
