// Everything that keeps something from round to round goes on where it was: a run that was cut off
// in its second round and resumed ends in the bytes of one that nothing ended.

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "experiment/documents.h"
#include "nn/test_device.h"
#include "starling/core/files.h"
#include "starling/experiment/run.h"
#include "starling/federated/compatibility.h"

namespace starling {
namespace {

namespace fs = std::filesystem;

struct CutOff {};

// What a run is besides the federation below, as a JSON merge patch.
struct Stateful {
  std::string name;
  std::string patch;
};
void PrintTo(const Stateful& subject, std::ostream* out) { *out << subject.name; }

// Clients are protected, by `more` privacy; `strategy` is its kind.
std::string client_level(const std::string& more = "", const std::string& strategy = "fedavg") {
  return R"({"strategy": {"kind": ")" + strategy + R"(", "weights": "uniform"},
    "participation": {"kind": "poisson", "rate": 0.5, "fraction": null},
    "privacy": {"unit": "client", "noise_multiplier": 1, "delta": 1e-2, "insecure_seed": 1)" +
         more + "}}";
}

const std::vector<Stateful> kStrategies = {
    {"fedavg", R"({})"},
    {"fedavgm", R"({"strategy": {"kind": "fedavgm"}})"},
    {"fedprox", R"({"strategy": {"kind": "fedprox"}})"},
    {"scaffold", R"({"strategy": {"kind": "scaffold"}})"},
    {"fednova", R"({"strategy": {"kind": "fednova"}})"},
    {"fedadagrad", R"({"strategy": {"kind": "fedadagrad"}})"},
    {"fedadam", R"({"strategy": {"kind": "fedadam"}})"},
    {"fedyogi", R"({"strategy": {"kind": "fedyogi"}})"},
    {"feddyn", R"({"strategy": {"kind": "feddyn"}})"},
    {"qfedavg", R"({"strategy": {"kind": "qfedavg"}})"},
    {"fedsgd", R"({"strategy": {"kind": "fedsgd"},
                   "local": {"epochs": null, "steps": 1, "batch_size": 100}})"},
    {"fedbuff", R"({"strategy": {"kind": "fedbuff", "buffer_size": 2, "concurrency": 4},
                    "participation": null})"},
    {"fedbn", R"({"strategy": {"kind": "fedbn"}})"},
    {"fedper", R"({"strategy": {"kind": "fedper", "personal": ["4"]}})"},
    {"ditto", R"({"strategy": {"kind": "ditto"}})"},
    {"feddf", R"({"strategy": {"kind": "feddf", "distillation": {"public_examples": 40}}})"},
    {"dsfl", R"({"strategy": {"kind": "dsfl", "distillation": {"public_examples": 40}}})"},
    {"fedmd", R"({"strategy": {"kind": "fedmd", "distillation": {"public_examples": 40}}})"},
};

const std::vector<Stateful> kOthers = {
    {"example_level", R"({"privacy": {"unit": "example", "epsilon": 4, "delta": 1e-3,
                          "insecure_seed": 1}})"},
    {"secure_noise", R"({"privacy": {"unit": "example", "epsilon": 4, "delta": 1e-3,
                         "insecure_seed": 1, "noise": "secure", "accountant": "rdp"}})"},
    {"client_level", client_level()},
    {"client_level_secure_noise", client_level(R"(, "noise": "secure")")},
    {"adaptive_clipping", client_level(R"(, "adaptive": {"bit_noise_multiplier": 4})")},
    {"fedadam_at_client_level", client_level("", "fedadam")},
    {"dsfl_at_client_level",
     R"({"strategy": {"kind": "dsfl", "distillation": {"public_examples": 40}},
         "participation": {"kind": "poisson", "rate": 0.5, "fraction": null},
         "privacy": {"unit": "client", "noise_multiplier": 1, "delta": 1e-2,
                     "insecure_seed": 1}})"},
    {"devices", R"({"strategy": {"kind": "fedmd", "distillation": {"public_examples": 40}},
                    "devices": [{"clients": 2, "model": {"layers": [
                      {"kind": "flatten"}, {"kind": "linear"}]}}]})"},
    {"feddf_devices", R"({"strategy": {"kind": "feddf", "distillation": {"public_examples": 40}},
                          "devices": [{"clients": 2, "model": {"layers": [
                            {"kind": "flatten"}, {"kind": "linear"}]}}]})"},
    {"fedmd_pretraining", R"({"strategy": {"kind": "fedmd", "pretraining_epochs": 2,
                                           "distillation": {"public_examples": 40}},
                              "devices": [{"clients": 2, "model": {"layers": [
                                {"kind": "flatten"}, {"kind": "linear"}]}}]})"},
    {"dsfl_in_turn", R"({"strategy": {"kind": "dsfl", "distillation": {
                           "public_examples": 40, "examples_per_round": 15}}})"},
    {"ftrl_tree", R"({"strategy": {"weights": "uniform"}, "participation": null,
                      "privacy": {"unit": "client", "noise_multiplier": 1, "delta": 1e-2,
                                  "insecure_seed": 1, "release": "tree"}})"},
    {"error_feedback", R"({"communication": {"kind": "top_k"}})"},
    {"random_k", R"({"communication": {"kind": "random_k"}})"},
    {"quantize", R"({"communication": {"kind": "quantize", "bits": 4}})"},
    {"fltrust", R"({"aggregation": {"kind": "fltrust"}})"},
    {"median", R"({"aggregation": {"kind": "median"}})"},
    {"attackers", R"({"attack": {"kind": "gaussian", "std": 0.01}})"},
    {"stragglers", R"({"world": {"availability": 0.9, "dropout": 0.1, "over_selection": 1.3,
                       "stragglers": {"kind": "lognormal"}, "deadline": 2.5}})"},
    {"dropout", R"({"model": {"layers": [{"kind": "flatten"}, {"kind": "dropout", "p": 0.2},
                    {"kind": "linear"}]}})"},
    {"schedule", R"({"local": {"schedule": {"kind": "cosine"}}})"},
};

// Four clients, of whom two take part in each of three rounds.
Json federation() {
  return parse_json(R"({
    "name": "t", "rounds": 3,
    "dataset": {"name": "digits", "train_limit": 160, "test_limit": 40},
    "partition": {"kind": "iid", "clients": 4},
    "participation": {"kind": "fraction", "fraction": 0.5},
    "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 8},
                         {"kind": "layer_norm", "normalized_shape": [8]}, {"kind": "relu"},
                         {"kind": "linear"}]},
    "local": {"epochs": 1, "batch_size": 10, "optimizer": {"kind": "sgd", "learning_rate": 0.1}}
  })",
                    "federation");
}

class ResumeEvery : public ::testing::TestWithParam<Stateful> {
 protected:
  ResumeEvery() { fs::remove_all(folder_); }
  ~ResumeEvery() override { fs::remove_all(folder_); }

  RunOptions options(const std::string& out) const {
    RunOptions options;
    options.source = "test";
    options.out = (folder_ / out).string();
    options.key_file = (folder_ / (out + ".key")).string();
    options.workers = 1;
    options.device = testing::test_device();
    return options;
  }
  void expect_same_file(const std::string& name) const {
    const auto path = [&](const char* run) { return (folder_ / run / name).string(); };
    ASSERT_EQ(fs::exists(path("whole")), fs::exists(path("cut"))) << name;
    if (!fs::exists(path("whole"))) return;
    EXPECT_TRUE(read_file(path("whole")) == read_file(path("cut"))) << name << " differs";
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("starling-resume-every-" + std::to_string(getpid()));
};

TEST_P(ResumeEvery, EndsInTheBytesOfARunThatNothingEnded) {
  Json json = federation();
  json.merge_patch(parse_json(GetParam().patch, "patch"));
  const Experiment experiment = parse_experiment(json, "test");
  const RunRecord whole = starling::run(experiment, options("whole")).record;

  RunOptions cut = options("cut");
  cut.on_round = [](const RoundProgress& progress) {
    if (progress.round.round == 2) throw CutOff();
  };
  EXPECT_THROW(starling::run(experiment, cut), CutOff);
  cut.on_round = nullptr;
  cut.resume = true;
  const RunRecord resumed = starling::run(experiment, cut).record;

  EXPECT_EQ(resumed.status, "complete");
  EXPECT_EQ(resumed.resumes, 1);
  for (const char* file : {"model.safetensors", "rounds.csv", "ledger.jsonl", "communication.csv",
                           "model_device_0.safetensors"})
    expect_same_file(file);
  ASSERT_EQ(whole.privacy.size(), resumed.privacy.size());
  for (size_t i = 0; i < whole.privacy.size(); ++i)
    EXPECT_EQ(whole.privacy[i].epsilon, resumed.privacy[i].epsilon);
}

std::string name_of(const ::testing::TestParamInfo<Stateful>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Strategies, ResumeEvery, ::testing::ValuesIn(kStrategies), name_of);
INSTANTIATE_TEST_SUITE_P(Others, ResumeEvery, ::testing::ValuesIn(kOthers), name_of);

TEST(ResumeEveryStrategy, HasItsRun) {
  std::set<std::string> tested;
  for (const auto& subject : kStrategies) tested.insert(subject.name);
  for (const auto& word : strategy_words()) EXPECT_EQ(tested.count(word), 1u) << word;
}

}  // namespace
}  // namespace starling
