#pragma once
// Federations of some seconds, run as the program runs them.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "nn/test_device.h"
#include "starling/core/files.h"
#include "starling/experiment/run.h"

namespace starling::test {

class Federations : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("starling-federations-" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  RunRecord run(const Json& json, int64_t workers) {
    const Experiment experiment = parse_experiment(json, "test");
    RunOptions options;
    options.source = "test";
    options.out = (folder_ / ("run-" + std::to_string(runs_++))).string();
    options.workers = workers;
    options.device = starling::testing::test_device();
    return starling::run(experiment, options).record;
  }
  std::string text(int64_t run, const std::string& file) const {
    return read_file((folder_ / ("run-" + std::to_string(run)) / file).string());
  }
  // Returns the record of the second of two equal runs.
  RunRecord run_twice(const Json& json) {
    run(json, 1);
    const auto record = run(json, 2);
    for (const char* file : {"model.safetensors", "rounds.csv"})
      EXPECT_EQ(text(runs_ - 2, file), text(runs_ - 1, file)) << file << " of " << json.dump();
    return record;
  }
  int64_t runs() const { return runs_; }

 private:
  std::filesystem::path folder_;
  int64_t runs_ = 0;
};

// Eight clients with labels of their own; three rounds.
inline Json federation() {
  return parse_json(R"({
    "name": "t", "rounds": 3,
    "dataset": {"name": "digits", "train_limit": 400, "test_limit": 100},
    "partition": {"kind": "dirichlet", "clients": 8, "alpha": 1.0, "min_size": 5},
    "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 16},
                         {"kind": "layer_norm", "normalized_shape": [16]}, {"kind": "relu"},
                         {"kind": "linear"}]},
    "local": {"epochs": 1, "batch_size": 10, "optimizer": {"kind": "sgd", "learning_rate": 0.1}}
  })",
                    "federation");
}

// Of local training, where the number of a client's examples is private.
inline Json constants() {
  return parse_json(R"({"epochs": null, "steps": 3, "batch_size": 10, "sample_rate": 0.2})",
                    "local");
}

inline Json with_strategy(const std::string& word) {
  Json json = federation();
  json["strategy"] = Json::object({{"kind", word}});
  if (word == "fedper") json["strategy"]["personal"] = Json::array({"4"});
  if (word == "fedbuff") json["strategy"].update({{"buffer_size", 3}, {"concurrency", 5}});
  if (word == "feddf" || word == "dsfl" || word == "fedmd") {
    json["local"]["epochs"] = 5;
    json["strategy"]["distillation"] = {
        {"public_examples", 100}, {"epochs", 20}, {"batch_size", 20}, {"learning_rate", 0.005}};
  }
  if (word == "fedsgd") json["local"] = parse_json(R"({"steps": 1, "batch_size": 100})", "local");
  return json;
}

}  // namespace starling::test
