#include "starling/experiment/experiment.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "experiment/documents.h"

namespace starling {
namespace {

using test::smallest;
using test::smallest_client_level;
using test::smallest_private;
using test::with;

Experiment parse(const Json& json) { return parse_experiment(json, "x.json"); }
std::string error(const Json& json) {
  return test::error_of([&] { parse(json); });
}
std::string error_with(std::string_view pointer, const std::string& value) {
  return error(with(pointer, value));
}

TEST(Experiment, DefaultsAreTheDocumentedOnes) {
  EXPECT_EQ(to_json(parse(smallest())), parse_json(R"({
    "name": "t", "description": "", "seed": 1,
    "dataset": {"name": "digits", "train_limit": null, "test_limit": null, "mean": null, "std": null,
                "standardization": {"kind": "public"}},
    "partition": {"kind": "iid", "clients": 10},
    "feature_shift": {"kind": "none"},
    "model": {"file": "../models/linear.json", "initial": null, "freeze": [], "replace_batch_norm": false},
    "devices": [],
    "loss": {"kind": "cross_entropy"},
    "rounds": 10,
    "participation": {"kind": "fraction", "fraction": 1.0, "max_participations": null,
                      "min_separation": 0},
    "local": {
      "epochs": 1, "steps": null, "batch_size": 32, "sample_rate": null, "sampling": "shuffle",
      "optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.0, "dampening": 0.0,
                    "weight_decay": 0.0, "nesterov": false},
      "schedule": {"kind": "constant"}
    },
    "privacy": {"unit": "none"},
    "strategy": {"kind": "fedavg", "weights": "examples", "server_learning_rate": 1.0},
    "aggregation": {"kind": "mean"},
    "attack": {"kind": "none"},
    "world": {"availability": 1.0, "dropout": 0.0, "stragglers": {"kind": "none"},
              "deadline": null, "over_selection": 1.0, "minimum_clients": 0},
    "communication": {"kind": "none"},
    "evaluation": {"every": 1, "batch_size": 512, "per_client": false},
    "compute": {"threads_per_client": 1, "device": "cpu", "dtype": "float32"},
    "output": {"folder": "runs", "keep_checkpoints": 2}
  })",
                                                   "expected"));
}

TEST(Experiment, PrivateDefaultsAreTheDocumentedOnes) {
  const auto experiment = parse(smallest_private());
  EXPECT_EQ(experiment.local.sampling, SamplingKind::poisson);
  EXPECT_EQ(to_json(experiment)["privacy"], parse_json(R"({
    "unit": "example", "clip_norm": 1.0, "noise_multiplier": null, "epsilon": 8.0, "delta": null,
    "accountant": "exact", "relation": "zero_out", "adversary": "server_and_models",
    "clipping": "flat", "noise": "fast", "insecure_seed": null, "reveal_private_metrics": false
  })",
                                                       "expected"));
}

TEST(Experiment, ClientLevelDefaultsAreTheDocumentedOnes) {
  const auto experiment = parse(smallest_client_level());
  EXPECT_EQ(experiment.local.sampling, SamplingKind::shuffle);
  EXPECT_EQ(to_json(experiment)["privacy"], parse_json(R"({
    "unit": "client", "clip_norm": 1.0, "noise_multiplier": null, "epsilon": 8.0, "delta": null,
    "accountant": "exact", "relation": "add_remove", "adversary": "every_global_model",
    "clipping": "flat", "noise": "fast", "insecure_seed": null, "reveal_private_metrics": false,
    "release": "gaussian", "restart_every": null, "adaptive": null, "weight_cap": null
  })",
                                                       "expected"));
}

TEST(Experiment, SamplingDefaultFollowsTheUnit) {
  EXPECT_EQ(parse(smallest()).local.sampling, SamplingKind::shuffle);
  EXPECT_EQ(parse(smallest_private()).local.sampling, SamplingKind::poisson);
  EXPECT_EQ(parse(with("/local/sampling", R"("shuffle")", smallest_private())).local.sampling,
            SamplingKind::shuffle);
}

// Every alternative of every variant, written and read again.
TEST(Experiment, ParseOfWrittenIsTheSame) {
  const std::pair<const char*, const char*> members[] = {
      {"/partition", R"({"kind": "dirichlet", "clients": 3, "alpha": 0.1})"},
      {"/partition", R"({"kind": "inner_dirichlet", "clients": 3, "alpha": 0.1})"},
      {"/feature_shift", R"({"kind": "rotation", "degrees": -90.0})"},
      {"/feature_shift", R"({"kind": "noise", "sigma": 0.5})"},
      {"/partition", R"({"kind": "shards"})"},
      {"/partition", R"({"kind": "labels", "labels_per_client": 2})"},
      {"/partition", R"({"kind": "quantity", "law": "lognormal"})"},
      {"/partition", R"({"kind": "natural"})"},
      {"/participation", R"({"kind": "poisson", "rate": 0.25, "max_participations": 4})"},
      {"/local/optimizer", R"({"kind": "sgd", "momentum": 0.9, "nesterov": true})"},
      {"/local/optimizer", R"({"kind": "adam", "betas": [0.8, 0.99], "amsgrad": true})"},
      {"/local/optimizer", R"({"kind": "adamw"})"},
      {"/local/optimizer", R"({"kind": "rmsprop", "centered": true})"},
      {"/local/optimizer", R"({"kind": "adagrad", "lr_decay": 0.001})"},
      {"/local/schedule", R"({"kind": "step", "every": 5})"},
      {"/local/schedule", R"({"kind": "exponential", "gamma": 0.1})"},
      {"/local/schedule", R"({"kind": "cosine", "floor": 0.3})"},
      {"/local/schedule", R"({"kind": "inverse", "decay": 0.3})"},
      {"/local", R"({"steps": 7, "batch_size": 5, "sampling": "poisson", "sample_rate": 0.125})"},
      {"/privacy", R"({"unit": "example", "noise_multiplier": 1.1, "delta": 1e-6,
                       "insecure_seed": 0, "clipping": "per_layer", "adversary": "final_model"})"},
      {"/strategy", R"({"weights": "uniform"})"},
      {"/participation", R"({"max_participations": 4, "min_separation": 3})"},
      {"/dataset", R"({"name": "mnist", "train_limit": 1000, "mean": 0.1307, "std": [0.3081]})"},
      {"/dataset", R"({"mean": [0.1, 0.2, 0.3], "std": [0.3, 0.2, 0.1]})"},
      {"/model", R"({"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 10}],
                     "initial": "start.safetensors", "freeze": ["layers.1"]})"},
      {"/seed", "9223372036854775807"},
  };
  for (const auto& [pointer, value] : members) {
    const auto experiment = parse(with(pointer, value));
    const Json written = to_json(experiment);
    EXPECT_EQ(parse(written), experiment) << pointer << " " << value;
    EXPECT_EQ(to_json(parse(parse_json(written.dump(2), "text"))), written) << pointer;
    EXPECT_NE(experiment, parse(smallest())) << pointer << " " << value;
  }
}

TEST(Experiment, ParseOfWrittenIsTheSameAtClientLevel) {
  for (const char* privacy :
       {R"({"unit": "client", "epsilon": 2, "adaptive": {"quantile": 0.7}})",
        R"({"unit": "client", "noise_multiplier": 2, "release": "tree", "restart_every": 5})"}) {
    const auto experiment = parse(with("/privacy", privacy, smallest_client_level()));
    EXPECT_EQ(parse(to_json(experiment)), experiment) << privacy;
    EXPECT_NE(experiment, parse(smallest_client_level())) << privacy;
  }
  const auto both = parse(test::smallest_both());
  EXPECT_EQ(parse(to_json(both)), both);
}

TEST(Experiment, RefusesUnknownKeysEverywhere) {
  const char* places[] = {"",
                          "/dataset",
                          "/partition",
                          "/feature_shift",
                          "/model",
                          "/participation",
                          "/local",
                          "/local/optimizer",
                          "/local/schedule",
                          "/privacy",
                          "/strategy",
                          "/aggregation",
                          "/attack",
                          "/world",
                          "/world/stragglers",
                          "/communication",
                          "/evaluation",
                          "/compute",
                          "/output"};
  for (const std::string place : places) {
    Json json = smallest_private();
    const std::string pointer = place + "/zzzzzzzz";
    json[Json::json_pointer(pointer)] = 1;
    EXPECT_TRUE(error(json).starts_with("x.json: " + pointer + ": is not a known key"))
        << error(json);
    EXPECT_NE(error(json).find("; known are "), std::string::npos) << error(json);
  }
}

TEST(Experiment, SuggestsTheNearestKeyOrWord) {
  EXPECT_EQ(error_with("/local/optimiser", R"({"kind": "sgd"})"),
            "x.json: /local/optimiser: is not a known key (did you mean \"optimizer\"?)");
  EXPECT_EQ(error_with("/local/optimizer", R"({"kind": "adm"})"),
            "x.json: /local/optimizer/kind: \"adm\" is not one of sgd, adam, adamw, rmsprop, "
            "adagrad or adam_bc (did you mean \"adam\"?)");
  EXPECT_EQ(error_with("/partition", R"({"kind": "dirichlet", "alhpa": 1})"),
            "x.json: /partition/alhpa: is not a known key (did you mean \"alpha\"?)");
}

TEST(Experiment, RefusesWrongTypes) {
  EXPECT_EQ(error_with("/rounds", "1.5"), "x.json: /rounds: 1.5 is not an integer");
  EXPECT_EQ(error_with("/rounds", "\"10\""), "x.json: /rounds: \"10\" is not an integer");
  EXPECT_EQ(error_with("/local", "[]"), "x.json: /local: [] is not an object {...}");
  EXPECT_EQ(error_with("/evaluation/per_client", "1"),
            "x.json: /evaluation/per_client: 1 is neither true nor false");
  EXPECT_EQ(error_with("/model/freeze", "[\"a\", 1]"),
            "x.json: /model/freeze/1: 1 is not a string");
  EXPECT_EQ(test::error_of([] { parse_experiment(Json::array(), "x.json"); }),
            "x.json: [] is not an object {...}");
}

TEST(Experiment, RefusesValuesOutsideTheirRange) {
  EXPECT_EQ(error_with("/participation/fraction", "1.4"),
            "x.json: /participation/fraction: 1.4 is outside (0, 1]");
  EXPECT_EQ(error_with("/participation/fraction", "0"),
            "x.json: /participation/fraction: 0 is outside (0, 1]");
  EXPECT_EQ(error_with("/local/batch_size", "0"),
            "x.json: /local/batch_size: 0 is outside 1..1000000000");
  EXPECT_EQ(error_with("/seed", "-1"), "x.json: /seed: -1 is outside integers from 0");
  EXPECT_EQ(error_with("/local/optimizer", R"({"kind": "adam", "betas": [0.9, 1]})"),
            "x.json: /local/optimizer/betas/1: 1 is outside [0, 1)");
  EXPECT_EQ(error_with("/local/optimizer", R"({"kind": "adam", "betas": [0.9]})"),
            "x.json: /local/optimizer/betas: has 1 values; it takes 2");
}

TEST(Experiment, RefusesNumbersThatAreNotFinite) {
  Json json = smallest();
  json["local"]["optimizer"]["learning_rate"] = std::numeric_limits<double>::infinity();
  EXPECT_NE(error(json), "");
  json["local"]["optimizer"]["learning_rate"] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(error(json), "");
}

TEST(Experiment, RefusesNamesThatCannotBeginAFolder) {
  for (const char* name : {"", ".hidden", "-x", "a/b", "a b", "caf\xC3\xA9", "a\nb"}) {
    Json json = smallest();
    json["name"] = name;
    EXPECT_NE(error(json).find("x.json: /name: "), std::string::npos) << name;
  }
  Json json = smallest();
  json["name"] = std::string(101, 'a');
  EXPECT_NE(error(json), "");
  json["name"] = std::string(100, 'a');
  EXPECT_EQ(error(json), "");
}

TEST(Experiment, RequiresNameAndModel) {
  Json json = smallest();
  json.erase("name");
  EXPECT_EQ(error(json), "x.json: \"name\" is missing");
  json = smallest();
  json.erase("model");
  EXPECT_EQ(error(json), "x.json: \"model\" is missing");
  EXPECT_EQ(error_with("/model", "{}"),
            "x.json: /model: \"file\" is missing; give a path in models/, or \"layers\"");
  EXPECT_EQ(error_with("/model", R"({"file": "a", "layers": [{}]})"),
            "x.json: /model: \"file\" and \"layers\" are both given; give one of them");
  EXPECT_EQ(error_with("/model", R"({"layers": []})"), "x.json: /model/layers: is empty");
}

TEST(Experiment, TakesEpochsOrSteps) {
  EXPECT_EQ(error_with("/local", R"({"epochs": 1, "steps": 1})"),
            "x.json: /local: \"epochs\" and \"steps\" are both given; give one of them");
  const auto steps = parse(with("/local", R"({"steps": 4})")).local;
  EXPECT_EQ(steps.epochs, std::nullopt);
  EXPECT_EQ(steps.steps, 4);
}

TEST(Experiment, TakesMeanAndStdTogether) {
  EXPECT_EQ(error_with("/dataset", R"({"mean": 0.5})"),
            "x.json: /dataset/mean: is given alone; give mean and std, or neither");
  EXPECT_EQ(error_with("/dataset", R"({"mean": [0.5, 0.5], "std": 1})"),
            "x.json: /dataset/std: has 1 values and mean has 2");
  EXPECT_EQ(error_with("/dataset", R"({"mean": 0.5, "std": 0})"),
            "x.json: /dataset/std: 0 is outside numbers above 0");
}

TEST(Experiment, NesterovNeedsMomentumAsInLibTorch) {
  const std::string problem =
      "x.json: /local/optimizer/nesterov: true needs momentum above 0 and dampening 0";
  EXPECT_EQ(error_with("/local/optimizer", R"({"nesterov": true})"), problem);
  EXPECT_EQ(
      error_with("/local/optimizer", R"({"nesterov": true, "momentum": 0.9, "dampening": 0.1})"),
      problem);
}

TEST(Experiment, SampleRateMakesConstants) {
  EXPECT_EQ(error_with("/local", R"({"sample_rate": 0.1, "steps": 1, "batch_size": 8})"),
            "x.json: /local/sample_rate: needs sampling \"poisson\", and sampling is \"shuffle\"");
  EXPECT_EQ(error_with("/local", R"({"sample_rate": 0.1, "steps": 1, "sampling": "poisson"})"),
            "x.json: /local: \"batch_size\" is missing; with a sample_rate it is the constant that "
            "summed gradients are divided by");
  EXPECT_EQ(
      error_with("/local", R"({"sample_rate": 0.1, "batch_size": 8, "sampling": "poisson"})"),
      "x.json: /local: \"steps\" is missing; with a sample_rate the number of steps is a constant");
}

TEST(DefaultDelta, IsThePowerOfTenAtOrBelowATenthOfOneOverN) {
  EXPECT_EQ(default_delta(1), 0.1);
  EXPECT_EQ(default_delta(2), 0.01);
  EXPECT_EQ(default_delta(10), 0.01);
  EXPECT_EQ(default_delta(11), 0.001);
  EXPECT_EQ(default_delta(1000), 1e-4);
  EXPECT_EQ(default_delta(1001), 1e-5);
  EXPECT_EQ(default_delta(60000), 1e-6);
  EXPECT_EQ(default_delta(std::numeric_limits<int64_t>::max()), 1e-20);
}

class LoadExperiment : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(::testing::TempDir()) /
        ("load_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder_ / "experiments");
    write(
        "experiments/x.json",
        R"({"name": "t", "model": {"file": "../models/m.json", "initial": "start.safetensors"}})");
    std::filesystem::create_directories(folder_ / "models");
    write("models/m.json", R"({"name": "m", "layers": [{"kind": "flatten"}]})");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& path, const std::string& text) {
    std::ofstream(folder_ / path) << text;
  }
  std::string file() const { return (folder_ / "experiments/x.json").string(); }

  std::filesystem::path folder_;
};

TEST_F(LoadExperiment, PathsAreRelativeToTheFile) {
  const auto experiment = load_experiment(file());
  EXPECT_EQ(experiment.model.file, (folder_ / "models/m.json").string());
  EXPECT_EQ(experiment.model.initial, (folder_ / "experiments/start.safetensors").string());
  EXPECT_EQ(experiment.dataset.name, "digits");
  EXPECT_EQ(describe_model(experiment.model, file()).json["name"], "m");
  EXPECT_EQ(describe_model(experiment.model, file()).source, experiment.model.file);
}

TEST_F(LoadExperiment, OverridesApplyBeforeTheCheck) {
  EXPECT_EQ(load_experiment(file(), {"/rounds=3"}).rounds, 3);
  EXPECT_EQ(test::error_of([&] { load_experiment(file(), {"/rounds=0"}); }),
            file() + " with --set: /rounds: 0 is outside 1..1000000000");
}

TEST_F(LoadExperiment, SelfContainedRunsFromAnywhere) {
  const auto experiment = self_contained(load_experiment(file()));
  EXPECT_EQ(experiment.model.file, "");
  EXPECT_EQ(experiment.model.layers.dump(), R"([{"kind":"flatten"}])");
  EXPECT_TRUE(std::filesystem::path(*experiment.model.initial).is_absolute());
  EXPECT_EQ(parse_experiment(to_json(experiment), "again"), experiment);
  EXPECT_EQ(self_contained(experiment), experiment);
  EXPECT_EQ(describe_model(experiment.model, "x.json").json.dump(),
            R"({"layers":[{"kind":"flatten"}]})");
}

TEST_F(LoadExperiment, DuplicateKeysAndMalformedTextAreRefused) {
  write("experiments/x.json", R"({"name": "t", "name": "u"})");
  EXPECT_NE(test::error_of([&] { load_experiment(file()); }).find("\"name\" stands twice"),
            std::string::npos);
  write("experiments/x.json", R"({"name": )");
  EXPECT_NE(test::error_of([&] { load_experiment(file()); }).find("line 1"), std::string::npos);
  EXPECT_NE(test::error_of([&] { load_experiment(file() + "x"); }), "");
}

}  // namespace
}  // namespace starling
