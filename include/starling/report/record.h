#pragma once
// The record of one run: what run.json holds and what every report is drawn from, with the same
// numbers in each. Free of LibTorch. Fields that are not known are absent, never guessed.
// Everything here is public by construction: private metrics have no field.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "starling/core/json.h"

namespace starling {

// Of the models that clients would use, on their own examples.
struct AccuracySpread {
  double mean = 0.0;
  double standard_deviation = 0.0;
  double smallest = 0.0;
  double largest = 0.0;
  bool operator==(const AccuracySpread&) const = default;
};
AccuracySpread spread_of(const std::vector<double>& accuracies);

struct RoundRecord {
  int64_t round = 0;  // 1, 2, ...
  // That took part, by the data-independent schedule; absent where cohorts are secret.
  std::optional<int64_t> clients;
  double learning_rate = 0.0;
  // Of the global model on the public test set, [0, 1]; absent for a regression.
  std::optional<double> accuracy;
  std::optional<double> loss;  // there: mean cross-entropy, nats, or mean squared error
  std::optional<double> auc;   // there, of two classes: area under the ROC curve, [0, 1]
  std::optional<double> f1;    // there, of two classes: of class 1, [0, 1]
  // Spent after this round by the run's unit: the largest of all clients at example level.
  std::optional<double> epsilon;
  std::optional<double> client_epsilon;  // at client level, where examples are protected as well
  std::optional<double> attack_success;  // of a backdoor on stamped test examples, [0, 1]
  std::vector<double> device_accuracy;   // there, of the global model of each class of
                                         // devices that has one, [0, 1]
  std::optional<AccuracySpread> client_accuracy;  // over clients, where it is asked for and public
  bool operator==(const RoundRecord&) const = default;
};

// One client's own account.
struct ClientRecord {
  int64_t client = 0;
  std::optional<int64_t> examples;  // absent where their number is private (add_remove)
  int64_t rounds = 0;               // taken part in, failed ones included
  int64_t steps = 0;                // noised steps recorded in the ledger
  std::optional<double> sample_rate;
  std::optional<double> noise_multiplier;
  std::optional<double> epsilon;  // at the statement's delta; infinity without noise
  bool operator==(const ClientRecord&) const = default;
};

enum class Guarantee {
  none,           // no noise: NO DP GUARANTEE
  insecure_seed,  // repeatable noise: INSECURE SEED: NO DP GUARANTEE
  dp,             // (epsilon, delta) as stated
};

// What a run promises about one unit. Words are the experiment file's.
struct PrivacyStatement {
  std::string unit = "example";
  Guarantee guarantee = Guarantee::none;
  double epsilon = 0.0;  // upper bound for the worst client; infinity where nothing is promised
  double delta = 0.0;
  std::optional<double> target_epsilon;
  std::string relation;
  std::string adversary;
  std::string accountant;
  std::string accountant_detail;      // direction, orders, conversion, as the accountant says
  std::optional<double> error;        // how far above the exact composition epsilon may lie
  std::optional<double> rdp_epsilon;  // the same ledger by RDP, side by side
  std::vector<std::pair<double, double>> delta_at;  // (epsilon, delta) pairs of the same ledger
  double clip_norm = 0.0;
  std::string clipping;
  std::string noise;
  std::string noise_by = "client";  // who adds it: each client to its upload, or the server
  std::string sampling;
  std::optional<int64_t> largest_client;  // examples; absent where private
  // Client level: how many clients there are, the server's noise over clip_norm and the largest
  // weight, the coin of a client and round, and what a round's sum is divided by.
  std::optional<int64_t> clients;
  std::optional<double> noise_multiplier;
  std::optional<double> sample_rate;
  std::optional<double> divisor;
  int64_t ledger_lines = 0;
  std::string ledger_head;  // hash of the ledger's last line
  bool reveal_private_metrics = false;
  bool operator==(const PrivacyStatement&) const = default;
};

// One number of the final model, where the law of the data is known.
struct WeightRecord {
  std::string name;  // "0.weight"
  double learned = 0.0;
  double truth = 0.0;
  bool operator==(const WeightRecord&) const = default;
};

// A column that was standardised by what its clients released of it: (x - mean) / std, for values
// within its public bounds.
struct ColumnRecord {
  std::string name;
  double mean = 0.0;
  double std = 1.0;
  bool operator==(const ColumnRecord&) const = default;
};

struct RunRecord {
  std::string name;
  std::string id;
  std::string description;
  std::string status = "complete";  // or what stopped the run, in words
  std::string started;              // UTC, ISO 8601
  double seconds = 0.0;
  int64_t resumes = 0;
  int64_t parameters = 0;                 // trainable, of the model
  std::optional<int64_t> train_examples;  // of all clients; absent where private (add_remove)
  int64_t test_examples = 0;
  int64_t population = 0;  // clients of the federation
  int64_t rounds_planned = 0;
  std::optional<int64_t> bytes_up;    // of all uploads; absent where cohorts are secret
  std::optional<int64_t> bytes_down;  // of all models sent to clients
  Json experiment;                    // as resolved
  std::vector<RoundRecord> rounds;
  std::vector<PrivacyStatement> privacy;  // one a unit; empty for unit "none"
  std::vector<ClientRecord> clients;
  std::vector<WeightRecord> weights;  // beside the truth, where it is known
  std::vector<ColumnRecord> columns;  // that were standardised privately
  std::vector<std::pair<std::string, std::string>> environment;  // fingerprint: name and value
  bool operator==(const RunRecord&) const = default;
};

// Infinity is written as the string "inf"; absent values as null. parse_record(to_json(r)) == r.
Json to_json(const RunRecord& record);
// Errors: InputError with file and JSON pointer.
RunRecord parse_record(const Json& json, const std::string& source);

// RUN is a run folder or a run.json.
RunRecord read_record(const std::string& run);

}  // namespace starling
