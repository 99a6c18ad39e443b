#pragma once
// An experiment file as plain values. `parse_experiment` checks everything that can be known
// without data: names, types, ranges, and the privacy rules that tie sampling, relation, weights
// and accountant together; what it returns is complete, every default filled. JSON keys equal field
// names; a variant is written as an object whose "kind" (privacy: "unit") names the alternative.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "starling/core/json.h"
#include "starling/data/feature_shift.h"
#include "starling/data/partition.h"
#include "starling/federated/attack.h"
#include "starling/federated/compression.h"
#include "starling/federated/robust.h"
#include "starling/federated/strategy_spec.h"
#include "starling/federated/world.h"
#include "starling/privacy/adversary.h"
#include "starling/privacy/event.h"
#include "starling/privacy/mechanism.h"
#include "starling/privacy/plan.h"
#include "starling/train/optimizer_spec.h"
#include "starling/train/schedule.h"

namespace starling {

// How the numbers of a table are standardised: by the constants of its description, or by the mean
// and standard deviation of the clients' own records, which each client releases once, before the
// first round, with noise (privacy/column_sums.h). A target keeps its constants.
struct PublicStandardization {
  bool operator==(const PublicStandardization&) const = default;
};
struct PrivateStandardization {
  double noise_multiplier = 10.0;  // of each client's release
  bool operator==(const PrivateStandardization&) const = default;
};

struct DatasetSpec {
  std::string name = "digits";  // of the catalogue, or the path of a description ending in ".json"
  std::optional<int64_t> train_limit;  // the first so many examples
  std::optional<int64_t> test_limit;
  // (x - mean) / std, one value or one a channel; absent: the catalogue's public constants.
  std::optional<std::vector<double>> mean;
  std::optional<std::vector<double>> std;
  std::variant<PublicStandardization, PrivateStandardization> standardization;
  bool operator==(const DatasetSpec&) const = default;
};

struct ModelSpec {
  std::string file;                    // empty when `layers` is inline
  Json layers;                         // null, or the array of layers
  std::optional<std::string> initial;  // safetensors to start from
  std::vector<std::string> freeze;     // names of parameters or of the modules that hold them
  bool replace_batch_norm = false;     // by group normalisation, which mixes no examples
  bool operator==(const ModelSpec&) const = default;
};

// Clients with an architecture of their own: the next `clients` of them, from client 0 on. Those
// that no class names take the experiment's model, and so does the server.
struct DeviceClass {
  int64_t clients = 1;
  ModelSpec model;
  bool operator==(const DeviceClass&) const = default;
};

// What training makes small, and testing measures: cross-entropy of class logits, in nats, or the
// squared error of the one output of a regression.
enum class LossKind { cross_entropy, mse };
struct LossSpec {
  LossKind kind = LossKind::cross_entropy;
  bool operator==(const LossSpec&) const = default;
};

// round(fraction * clients) clients a round without replacement, at least one.
struct FractionParticipation {
  double fraction = 1.0;  // (0, 1]
  bool operator==(const FractionParticipation&) const = default;
};
// One independent coin a client and round; a round may be empty.
struct PoissonParticipation {
  double rate = 1.0;  // (0, 1]
  bool operator==(const PoissonParticipation&) const = default;
};
struct ParticipationSpec {
  std::variant<FractionParticipation, PoissonParticipation> kind;
  std::optional<int64_t> max_participations;  // rounds a client takes part in, at most
  int64_t min_separation = 0;  // rounds strictly between two participations of a client, at least
  bool operator==(const ParticipationSpec&) const = default;
};

// Exactly one of `epochs` and `steps`; an epoch is ceil(n_i / batch_size) steps, n_i the client's
// examples. Under poisson each example and step has one coin of rate min(1, batch_size / n_i), and
// noised sums are divided by min(batch_size, n_i). A `sample_rate` makes rate and divisor
// (batch_size) constants of the file, the same at every client.
struct LocalSpec {
  std::optional<int64_t> epochs;
  std::optional<int64_t> steps;
  int64_t batch_size = 32;
  std::optional<double> sample_rate;  // (0, 1], poisson with `steps` only
  SamplingKind sampling = SamplingKind::shuffle;
  OptimizerSpec optimizer;
  Schedule schedule;
  bool operator==(const LocalSpec&) const = default;
};

enum class ClippingKind { flat, per_layer, automatic };

struct NoPrivacy {
  bool operator==(const NoPrivacy&) const = default;
};
// What both levels state. The noise has standard deviation noise_multiplier * clip_norm on the
// clipped sum. Exactly one of `noise_multiplier` and `epsilon` is set.
struct PrivacyTerms {
  double clip_norm = 1.0;
  std::optional<double> noise_multiplier;
  std::optional<double> epsilon;  // the target that the noise is calibrated to
  std::optional<double> delta;
  std::string accountant = "exact";
  Relation relation = Relation::zero_out;
  Adversary adversary = Adversary::server_and_models;
  ClippingKind clipping = ClippingKind::flat;
  NoiseKind noise = NoiseKind::fast;
  std::optional<int64_t> insecure_seed;  // repeatable noise and NO DP GUARANTEE
  bool reveal_private_metrics = false;
  bool operator==(const PrivacyTerms&) const = default;
};
// Neighbours differ in one example of one client, as `relation` says; each client's noise is its
// own. delta absent: default_delta of the smallest client.
struct ExamplePrivacy : PrivacyTerms {
  bool operator==(const ExamplePrivacy&) const = default;
};
// Neighbours differ in one client with all its data; the server clips uploads and adds the noise.
// delta absent: default_delta of the number of clients.
struct ClientPrivacy : PrivacyTerms {
  // The clip norm follows a quantile of the uploads' norms (Andrew et al. 2021).
  struct Adaptive {
    double quantile = 0.5;                       // [0, 1]
    double learning_rate = 0.2;                  // > 0
    std::optional<double> bit_noise_multiplier;  // absent: a twentieth of the expected cohort
    bool operator==(const Adaptive&) const = default;
  };
  enum class Release {
    gaussian,  // DP-FedAvg (McMahan et al. 2018)
    tree,      // DP-FTRL (Kairouz et al. 2021), for schedules without sampling
  };
  ClientPrivacy() {
    relation = Relation::add_remove;
    adversary = Adversary::every_global_model;
  }
  Release release = Release::gaussian;
  std::optional<int64_t> restart_every;  // tree: rounds a tree; absent: all rounds
  std::optional<Adaptive> adaptive;
  std::optional<int64_t>
      weight_cap;  // most that a client's examples weigh; with weights "examples"
  bool operator==(const ClientPrivacy&) const = default;
};
// Both in one run, each accounted for and reported by itself.
struct BothPrivacy {
  ExamplePrivacy example;
  ClientPrivacy client;
  bool operator==(const BothPrivacy&) const = default;
};
using PrivacySpec = std::variant<NoPrivacy, ExamplePrivacy, ClientPrivacy, BothPrivacy>;

// Null where the experiment does not protect that unit.
const ExamplePrivacy* example_level(const PrivacySpec& privacy);
const ClientPrivacy* client_level(const PrivacySpec& privacy);
// Absent: noise is secret, or there is none.
std::optional<int64_t> insecure_seed(const PrivacySpec& privacy);
bool is_private(const PrivacySpec& privacy);
// Null where a table's constants standardise.
const PrivateStandardization* private_standardization(const DatasetSpec& dataset);
bool reveals_private_metrics(const PrivacySpec& privacy);  // true also without privacy

struct EvaluationSpec {
  int64_t every = 1;  // rounds; the last round is always evaluated
  int64_t batch_size = 512;
  bool per_client = false;  // private in DP runs: to the private log only
  bool operator==(const EvaluationSpec&) const = default;
};

enum class Device { cpu, cuda };
enum class DType { float32, float64 };
struct ComputeSpec {
  int64_t threads_per_client = 1;
  Device device = Device::cpu;
  DType dtype = DType::float32;
  bool operator==(const ComputeSpec&) const = default;
};

struct OutputSpec {
  std::string folder = "runs";  // relative to the working directory
  int64_t keep_checkpoints = 2;
  bool operator==(const OutputSpec&) const = default;
};

struct Experiment {
  std::string name;  // letters, digits, '.', '_', '-': it begins the run folder's name
  std::string description;
  int64_t seed = 1;
  DatasetSpec dataset;
  PartitionSpec partition;
  FeatureShift feature_shift;
  ModelSpec model;
  std::vector<DeviceClass> devices;
  LossSpec loss;
  int64_t rounds = 10;
  ParticipationSpec participation;
  LocalSpec local;
  PrivacySpec privacy;
  StrategySpec strategy;
  RobustSpec aggregation;
  AttackSpec attack;
  WorldSpec world;
  CommunicationSpec communication;
  EvaluationSpec evaluation;
  ComputeSpec compute;
  OutputSpec output;
  bool operator==(const Experiment&) const = default;
};

// `source` names the file in errors. Reads no other file. Errors: InputError
// "<source>: <pointer>: ...", one line.
Experiment parse_experiment(const Json& json, const std::string& source);

// One "--set /json/pointer=value". The value is JSON; what does not parse as JSON is a string.
struct Override {
  std::string pointer;
  Json value;
};
Override parse_override(const std::string& text);

// The member at the pointer is set or added; objects on the way are made, a "kind" that changes
// keeps its siblings. Errors: InputError when the pointer leads through something else than objects
// or array elements that exist.
void apply_overrides(Json& json, const std::vector<std::string>& overrides);

// Reads, overrides and parses the file. Paths in it are relative to its folder; here they come back
// relative to the working directory, ready to open.
Experiment load_experiment(const std::string& path, const std::vector<std::string>& overrides = {});

// Every field, in the file's order. parse_experiment(to_json(e), ...) == e.
Json to_json(const Experiment& experiment);

// {"layers": [...]} and where it stands, for model_from_json.
struct ModelDescription {
  Json json;
  std::string source;   // the file
  std::string pointer;  // of the object in it
};
// `place`: of an inline model in the experiment.
ModelDescription describe_model(const ModelSpec& model, const std::string& experiment_source,
                                const std::string& place = "/model");

// The same experiment with the model's layers inline and absolute paths: what a run folder stores,
// so that its experiment.json runs again from anywhere.
Experiment self_contained(const Experiment& experiment);

// The largest power of ten that is <= 1 / (10 n). `examples` >= 1, of the smallest client.
double default_delta(int64_t examples);

std::string to_string(Adversary adversary);
std::string to_string(ClippingKind clipping);

}  // namespace starling
