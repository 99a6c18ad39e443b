#pragma once
// Run records for tests.

#include <cmath>

#include "starling/report/record.h"

namespace starling::test {

inline RoundRecord round_of(int64_t round, double accuracy, double loss) {
  RoundRecord r;
  r.round = round;
  r.clients = 10;
  r.learning_rate = 0.5;
  r.accuracy = accuracy;
  r.loss = loss;
  return r;
}

// Ten rounds of ten clients without noise.
inline RunRecord plain_record() {
  RunRecord r;
  r.name = "digits_fedavg";
  r.id = "5f1c0a9d2b7e4466";
  r.description = "What does the federation reach without privacy?";
  r.started = "2026-03-14T09:26:53Z";
  r.seconds = 37.4;
  r.parameters = 26010;
  r.train_examples = 10000;
  r.test_examples = 2000;
  r.rounds_planned = 10;
  r.experiment = parse_json(R"({"name": "digits_fedavg", "dataset": {"name": "digits"},
      "partition": {"kind": "iid", "clients": 10}, "rounds": 10,
      "local": {"epochs": 1, "batch_size": 64,
                "optimizer": {"kind": "sgd", "learning_rate": 0.5},
                "schedule": {"kind": "constant"}},
      "privacy": {"unit": "none"}, "strategy": {"kind": "fedavg", "weights": "examples"}})",
                            "experiment");
  for (int64_t t = 1; t <= 10; ++t)
    r.rounds.push_back(round_of(t, 0.97 - 0.6 * std::exp(-0.5 * static_cast<double>(t)),
                                0.1 + 2.0 * std::exp(-0.4 * static_cast<double>(t))));
  for (int64_t i = 0; i < 10; ++i) {
    ClientRecord client;
    client.client = i;
    client.examples = 1000;
    client.rounds = 10;
    r.clients.push_back(client);
  }
  r.environment = {{"starling", "0.1.0"}, {"libtorch", "2.13.0"}, {"cpu", "AVX2"}};
  return r;
}

inline PrivacyStatement statement() {
  PrivacyStatement p;
  p.guarantee = Guarantee::dp;
  p.epsilon = 7.9913;
  p.delta = 1e-5;
  p.target_epsilon = 8.0;
  p.relation = "zero_out";
  p.adversary = "server_and_models";
  p.accountant = "exact";
  p.accountant_detail = "contour integral, remove direction";
  p.error = 3.2e-9;
  p.rdp_epsilon = 8.4127;
  p.delta_at = {{1, 0.031}, {2, 0.0114}, {4, 0.00103}, {8, 9.77e-6}};
  p.clip_norm = 0.5;
  p.clipping = "flat";
  p.noise = "fast";
  p.sampling = "poisson";
  p.largest_client = 1000;
  p.ledger_lines = 100;
  p.ledger_head = "9c5610a5d3b7e0ff0e1b6a4d6f2c8e7d9c5610a5d3b7e0ff0e1b6a4d6f2c8e7d";
  return p;
}

// The same under example-level DP.
inline RunRecord private_record() {
  RunRecord r = plain_record();
  r.name = "quickstart";
  r.description = "How good is a classifier when every client protects each of its examples?";
  r.experiment["name"] = "quickstart";
  r.experiment["privacy"] = parse_json(
      R"({"unit": "example", "epsilon": 8, "delta": 1e-5, "clip_norm": 0.5})", "privacy");
  r.privacy = {statement()};
  for (auto& round : r.rounds)
    round.epsilon = 7.9913 * std::sqrt(static_cast<double>(round.round) / 10.0);
  for (auto& client : r.clients) {
    client.steps = 160;
    client.sample_rate = 0.064;
    client.noise_multiplier = 0.9172;
    client.epsilon = 7.9913 - 0.01 * static_cast<double>(client.client);
  }
  return r;
}

// The same, but noise that its seed repeats.
inline RunRecord seeded_record() {
  RunRecord record = private_record();
  record.privacy[0].guarantee = Guarantee::insecure_seed;
  return record;
}

}  // namespace starling::test
