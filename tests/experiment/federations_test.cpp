// Every strategy, robust rule, attack, codec and world in a run of the program's own kind: it ends,
// and gives the same bytes on one worker and on two.

#include <gtest/gtest.h>

#include <filesystem>

#include "experiment/documents.h"
#include "nn/test_device.h"
#include "starling/core/files.h"
#include "starling/experiment/run.h"
#include "starling/federated/compatibility.h"

namespace starling {
namespace {

namespace fs = std::filesystem;

class Federations : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("starling-federations-" + std::to_string(getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  RunRecord run(const Json& json, int64_t workers) {
    const Experiment experiment = parse_experiment(json, "test");
    RunOptions options;
    options.source = "test";
    options.out = (folder_ / ("run-" + std::to_string(runs_++))).string();
    options.workers = workers;
    options.device = testing::test_device();
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
  fs::path folder_;
  int64_t runs_ = 0;
};

// Eight clients with labels of their own; three rounds.
Json federation() {
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
Json constants() {
  return parse_json(R"({"epochs": null, "steps": 3, "batch_size": 10, "sample_rate": 0.2})",
                    "local");
}

Json with_strategy(const std::string& word) {
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

TEST_F(Federations, EveryStrategyRunsToTheSameBytesOnAnyNumberOfWorkers) {
  for (const auto& word : strategy_words()) {
    SCOPED_TRACE(word);
    const auto record = run_twice(with_strategy(word));
    EXPECT_EQ(record.status, "complete");
    EXPECT_EQ(record.rounds.size(), 3u);
    EXPECT_GT(*record.rounds.back().accuracy, 0.12);  // guessing has 0.1
  }
}

TEST_F(Federations, EveryRobustRuleRuns) {
  for (const char* rule :
       {R"({"kind": "median"})", R"({"kind": "trimmed_mean"})", R"({"kind": "krum"})",
        R"({"kind": "multi_krum"})", R"({"kind": "bulyan"})", R"({"kind": "geometric_median"})",
        R"({"kind": "norm_bound"})", R"({"kind": "fltrust"})"}) {
    SCOPED_TRACE(rule);
    Json json = federation();
    json["aggregation"] = parse_json(rule, "rule");
    EXPECT_GT(*run_twice(json).rounds.back().accuracy, 0.12);
  }
}

TEST_F(Federations, EveryCodecRunsAndIsCounted) {
  int64_t plain = *run_twice(federation()).bytes_up;
  EXPECT_EQ(plain, 3 * 8 * 4 * (784 * 16 + 16 + 32 + 170));
  for (const auto& [codec, share] : {std::pair{R"({"kind": "quantize", "bits": 8})", 0.26},
                                     {R"({"kind": "top_k"})", 0.14},
                                     {R"({"kind": "random_k"})", 0.11},
                                     {R"({"kind": "float16"})", 0.51}}) {
    SCOPED_TRACE(codec);
    Json json = federation();
    json["communication"] = parse_json(codec, "codec");
    const auto record = run_twice(json);
    EXPECT_LT(static_cast<double>(*record.bytes_up), share * static_cast<double>(plain));
    EXPECT_GT(*record.rounds.back().accuracy, 0.12);
  }
}

// Three of ten clients turn their updates around: the mean falls apart, the median does not.
TEST_F(Federations, TheMedianWithstandsWhatTheMeanDoesNot) {
  Json json = federation();
  json["partition"] = parse_json(R"({"kind": "iid", "clients": 10})", "partition");
  json["rounds"] = 8;
  json["attack"] = parse_json(R"({"kind": "sign_flip", "clients": 0.3, "scale": 4})", "attack");
  const double mean = *run_twice(json).rounds.back().accuracy;
  json["aggregation"] = parse_json(R"({"kind": "median"})", "aggregation");
  const double median = *run_twice(json).rounds.back().accuracy;
  EXPECT_GT(median, mean + 0.2);
}

TEST_F(Federations, ABackdoorIsMeasured) {
  Json json = federation();
  json["rounds"] = 10;
  json["attack"] = parse_json(
      R"({"kind": "backdoor", "clients": 0.4, "target": 7, "size": 5, "value": 3, "scale": 2})",
      "attack");
  const auto record = run_twice(json);
  EXPECT_GT(*record.rounds.back().attack_success, 0.5);
  EXPECT_GT(*record.rounds.back().accuracy, 0.3);
}

// Two of ten clients send theirs five times as large.
TEST_F(Federations, MultiKrumKeepsOutABackdoorThatTheMeanTakesIn) {
  Json json = federation();
  json["partition"] = parse_json(R"({"kind": "iid", "clients": 10})", "partition");
  json["rounds"] = 10;
  json["attack"] = parse_json(
      R"({"kind": "backdoor", "clients": 0.2, "target": 7, "size": 5, "value": 3, "scale": 5})",
      "attack");
  EXPECT_GT(*run(json, 2).rounds.back().attack_success, 0.8);
  json["aggregation"] = parse_json(R"({"kind": "multi_krum", "malicious_clients": 2})", "a");
  const auto record = run(json, 2);
  EXPECT_LT(*record.rounds.back().attack_success, 0.2);
  EXPECT_GT(*record.rounds.back().accuracy, 0.3);
}

TEST_F(Federations, LabelFlipAndGaussianAttackersRun) {
  for (const char* attack : {R"({"kind": "label_flip"})", R"({"kind": "gaussian", "std": 0.01})"}) {
    SCOPED_TRACE(attack);
    Json json = federation();
    json["attack"] = parse_json(attack, "attack");
    EXPECT_EQ(run_twice(json).status, "complete");
  }
}

// Who trained is charged, whether it counted or not.
TEST_F(Federations, min_clients_WhoTrainsIsChargedAlthoughTheRoundIsLeftOut) {
  Json json = federation();
  json["privacy"] =
      parse_json(R"({"unit": "example", "noise_multiplier": 1, "insecure_seed": 1})", "privacy");
  json["world"] = parse_json(R"({"dropout": 0.9, "minimum_clients": 8})", "world");
  const auto record = run_twice(json);
  for (const auto& client : record.clients) EXPECT_EQ(client.rounds, 3);
  EXPECT_EQ(record.bytes_up, 0);
  EXPECT_EQ(record.rounds.front().accuracy, record.rounds.back().accuracy);
  EXPECT_GT(*record.rounds.back().epsilon, *record.rounds.front().epsilon);
}

// Every report comes after the deadline: none is used, and all were paid for.
TEST_F(Federations, straggler_retry_LateReportsAreIgnoredAndCharged) {
  Json json = federation();
  json["privacy"] =
      parse_json(R"({"unit": "example", "noise_multiplier": 1, "insecure_seed": 1})", "privacy");
  json["world"] = parse_json(
      R"({"stragglers": {"kind": "slow", "fraction": 1, "slowdown": 4}, "deadline": 2.5})",
      "world");
  const auto record = run_twice(json);
  for (const auto& client : record.clients) EXPECT_EQ(client.rounds, 3);
  EXPECT_EQ(record.bytes_up, 0);
  EXPECT_EQ(record.rounds.front().loss, record.rounds.back().loss);
  EXPECT_GT(*record.rounds.back().epsilon, *record.rounds.front().epsilon);
}

TEST_F(Federations, StragglersAndOverSelectionRun) {
  Json json = federation();
  json["participation"] = parse_json(R"({"fraction": 0.5})", "participation");
  json["world"] = parse_json(R"({"availability": 0.9, "dropout": 0.1, "over_selection": 1.5,
                                 "stragglers": {"kind": "lognormal"}, "deadline": 2.5})",
                             "world");
  const auto record = run_twice(json);
  EXPECT_EQ(record.status, "complete");
}

TEST_F(Federations, PersonalModelsFitTheirClientsBetter) {
  Json json = federation();
  json["partition"] =
      parse_json(R"({"kind": "labels", "clients": 5, "labels_per_client": 2})", "p");
  json["rounds"] = 5;
  json["evaluation"] = Json::object({{"per_client", true}});
  const double global = run_twice(json).rounds.back().client_accuracy->mean;
  for (const char* strategy :
       {R"({"kind": "fedper", "personal": ["4"]})", R"({"kind": "ditto"})"}) {
    json["strategy"] = parse_json(strategy, "strategy");
    EXPECT_GT(run_twice(json).rounds.back().client_accuracy->mean, global + 0.05) << strategy;
  }
}

// With few labels a client, the ensemble knows more after one round than the mean of its models.
TEST_F(Federations, FedDfLearnsFromTheEnsemble) {
  Json json = with_strategy("feddf");
  json["partition"] =
      parse_json(R"({"kind": "labels", "clients": 5, "labels_per_client": 2})", "p");
  json["rounds"] = 1;
  const auto distilled = run_twice(json);
  json["strategy"] = Json::object({{"kind", "fedavg"}});
  const auto averaged = run_twice(json);
  EXPECT_GT(*distilled.rounds.back().accuracy, *averaged.rounds.back().accuracy + 0.05);
  // The same models travel, 100 of the 400 examples being the server's.
  EXPECT_EQ(distilled.bytes_up, averaged.bytes_up);
  EXPECT_EQ(distilled.bytes_down, averaged.bytes_down);
}

TEST_F(Federations, AnswersTravelInThePlaceOfModels) {
  const int64_t answers = 4 * 100 * 10, model = 4 * (784 * 16 + 16 + 32 + 170);
  for (const char* kind : {"dsfl", "fedmd"}) {
    SCOPED_TRACE(kind);
    Json json = with_strategy(kind);
    json["rounds"] = 6;
    const auto record = run_twice(json);
    EXPECT_EQ(record.bytes_up, 6 * 8 * answers);
    EXPECT_EQ(record.bytes_down, 8 * (model + 5 * answers)) << "the first round's model, then more";
    EXPECT_GT(*record.rounds.back().accuracy, 0.3);
    json["communication"] = Json::object({{"kind", "float16"}});
    EXPECT_LT(*run_twice(json).bytes_up, 6 * 8 * answers * 51 / 100);
  }
}

Json with_devices(const std::string& strategy) {
  Json json = with_strategy(strategy);
  json["devices"] = parse_json(
      R"([{"clients": 3, "model": {"layers": [{"kind": "flatten"}, {"kind": "linear"}]}},
          {"clients": 2, "model": {"layers": [{"kind": "avg_pool2d", "kernel_size": 4},
                                              {"kind": "flatten"}, {"kind": "linear"}]}}])",
      "devices");
  return json;
}

TEST_F(Federations, ClientsWithOtherModelsExchangeAnswers) {
  const int64_t answers = 4 * 100 * 10, model = 4 * (784 * 16 + 16 + 32 + 170);
  for (const char* kind : {"dsfl", "fedmd"}) {
    SCOPED_TRACE(kind);
    Json json = with_devices(kind);
    json["evaluation"] = Json::object({{"per_client", true}});
    const auto record = run_twice(json);
    EXPECT_EQ(record.bytes_up, 3 * 8 * answers);
    EXPECT_EQ(record.bytes_down,
              3 * model + 3 * 4 * 7850 + 2 * 4 * (49 * 10 + 10) + 2 * 8 * answers);
    EXPECT_GT(*record.rounds.back().accuracy, 0.3);
    EXPECT_GT(record.rounds.back().client_accuracy->smallest, 0.2);

    json.erase("evaluation");
    json["privacy"] =
        parse_json(R"({"unit": "example", "noise_multiplier": 1, "insecure_seed": 1})", "p");
    EXPECT_GT(run_twice(json).privacy.front().epsilon, 0.0);
    json["devices"][1]["model"]["layers"][0] = Json::object({{"kind", "batch_norm2d"}});
    EXPECT_TRUE(test::error_of([&] { run(json, 1); }).starts_with("test: /devices/1/model"));
  }
}

// Each class of devices has a global model of its own, which learns from the answers of all.
TEST_F(Federations, FedDfHasAGlobalModelForEachArchitecture) {
  const int64_t model = 4 * (784 * 16 + 16 + 32 + 170), sizes[] = {4 * 7850, 4 * (49 * 10 + 10)};
  Json json = with_devices("feddf");
  const auto record = run_twice(json);
  EXPECT_EQ(text(runs() - 2, "model_device_1.safetensors"),
            text(runs() - 1, "model_device_1.safetensors"));
  EXPECT_EQ(record.bytes_up, 3 * (3 * model + 3 * sizes[0] + 2 * sizes[1]));
  EXPECT_EQ(record.bytes_down, record.bytes_up);
  EXPECT_GT(*record.rounds.back().accuracy, 0.3);
  ASSERT_EQ(record.rounds.back().device_accuracy.size(), 2u);
  for (const double accuracy : record.rounds.back().device_accuracy) EXPECT_GT(accuracy, 0.3);

  json["privacy"] =
      parse_json(R"({"unit": "example", "noise_multiplier": 1, "insecure_seed": 1})", "p");
  EXPECT_GT(run_twice(json).privacy.front().epsilon, 0.0);
  json["strategy"]["weights"] = "uniform";
  json["privacy"] = parse_json(R"({"unit": "client", "noise_multiplier": 1})", "p");
  EXPECT_TRUE(test::error_of([&] { run(json, 1); }).starts_with("test: /strategy/kind: \"feddf\""));
}

// Models that begin with what the public labels say are ahead after one round of one step.
TEST_F(Federations, FedMdPretrainsEveryArchitectureOnPublicLabels) {
  Json json = with_devices("fedmd");
  json["rounds"] = 1;
  json["local"]["epochs"] = nullptr;
  json["local"]["steps"] = 1;
  json["strategy"]["distillation"]["epochs"] = 1;
  json["evaluation"] = Json::object({{"per_client", true}});
  const auto without = run_twice(json);
  json["strategy"]["pretraining_epochs"] = 20;
  const auto with = run_twice(json);
  EXPECT_GT(*with.rounds.back().accuracy, *without.rounds.back().accuracy + 0.2);
  const auto& clients = *with.rounds.back().client_accuracy;
  EXPECT_GT(clients.smallest, 0.4) << "of the smallest device's model, on labels of its own";
  EXPECT_GT(clients.mean, without.rounds.back().client_accuracy->mean + 0.1);
  EXPECT_EQ(with.bytes_up, without.bytes_up);
  EXPECT_EQ(with.bytes_down, without.bytes_down);
}

TEST_F(Federations, AnswersAreOnPublicExamplesInTurn) {
  Json json = with_strategy("dsfl");
  json["strategy"]["distillation"]["examples_per_round"] = 40;
  const auto record = run_twice(json);
  EXPECT_EQ(record.bytes_up, 3 * 8 * 4 * 40 * 10);
  EXPECT_GT(*record.rounds.back().accuracy, 0.3);
  json["strategy"]["distillation"]["examples_per_round"] = 101;
  EXPECT_TRUE(test::error_of([&] {
                run(json, 1);
              }).starts_with("test: /strategy/distillation/examples_per_round: 101"));
}

TEST_F(Federations, DevicesNeedAStrategyAndClients) {
  Json json = with_devices("dsfl");
  json["devices"][0]["clients"] = 7;
  EXPECT_EQ(test::error_of([&] { run(json, 1); }),
            "test: /devices: are for 9 clients, and there are 8");
  json["strategy"] = Json::object({{"kind", "fedavg"}});
  EXPECT_TRUE(test::error_of([&] { run(json, 1); }).starts_with("test: /devices: gives clients"));
}

TEST_F(Federations, DistillationIsPrivateAtEachLevel) {
  for (const char* kind : {"feddf", "dsfl", "fedmd"}) {
    SCOPED_TRACE(kind);
    Json json = with_strategy(kind);
    json["strategy"]["weights"] = "uniform";
    json["privacy"] =
        parse_json(R"({"unit": "example", "noise_multiplier": 1, "insecure_seed": 1})", "p");
    const auto record = run_twice(json);
    EXPECT_EQ(record.privacy.front().ledger_lines, 3 * 8);
    json["strategy"] = Json::object({{"kind", "fedavg"}});
    EXPECT_GT(record.privacy.front().epsilon, 0.9 * run_twice(json).privacy.front().epsilon);
    if (kind == std::string("feddf")) continue;
    json = with_strategy(kind);
    json["privacy"] = parse_json(
        R"({"unit": "client", "noise_multiplier": 0.1, "clip_norm": 30, "insecure_seed": 1})", "p");
    json["participation"] = parse_json(R"({"kind": "poisson", "rate": 0.5})", "participation");
    const auto whole = run_twice(json);
    EXPECT_EQ(whole.privacy.front().unit, "client");
    EXPECT_EQ(whole.privacy.front().ledger_lines, 3);
    EXPECT_FALSE(whole.bytes_down.has_value());
  }
}

TEST_F(Federations, ClientLevelPrivacyRunsInEveryForm) {
  for (
      const char* privacy :
      {R"({"unit": "client", "noise_multiplier": 0.5, "insecure_seed": 1})",
       R"({"unit": "client", "noise_multiplier": 0.5, "insecure_seed": 1, "noise": "secure"})",
       R"({"unit": "client", "epsilon": 50, "insecure_seed": 1, "adaptive": {"bit_noise_multiplier": 4}})",
       R"({"unit": "client", "epsilon": 50, "insecure_seed": 1, "clipping": "per_layer"})",
       R"({"unit": "client", "epsilon": 50, "insecure_seed": 1, "clipping": "automatic"})",
       R"({"unit": "client", "epsilon": 50, "insecure_seed": 1, "release": "tree"})",
       R"({"unit": "both", "example": {"noise_multiplier": 1, "insecure_seed": 1, "delta": 1e-3},
            "client": {"noise_multiplier": 1, "insecure_seed": 1}})"}) {
    SCOPED_TRACE(privacy);
    Json json = federation();
    json["strategy"] = Json::object({{"weights", "uniform"}});
    json["privacy"] = parse_json(privacy, "privacy");
    if (json["privacy"]["unit"] == "both") json["local"].update(constants());
    const auto record = run_twice(json);
    EXPECT_EQ(record.privacy.back().unit, "client");
    EXPECT_GT(record.privacy.back().epsilon, 0.0);
  }
}

TEST_F(Federations, WhatTheModelOrTheCohortCannotMeetIsRefusedAtTheStart) {
  Json json = with_strategy("fedper");
  json["strategy"]["personal"] = Json::array({"4", "9"});
  EXPECT_EQ(test::error_of([&] { run(json, 1); }),
            "test: /strategy/personal/1: the model has no \"9\"");
  json = federation();
  json["aggregation"] = parse_json(R"({"kind": "bulyan", "malicious_clients": 2})", "aggregation");
  EXPECT_EQ(test::error_of([&] { run(json, 1); }),
            "test: /aggregation: \"bulyan\" needs 11 uploads a round, and no round has more than 8 "
            "clients");
}

// Everybody takes part in public, and which uploads were fit to count is private.
TEST_F(Federations, log_hygiene_UploadsOfProtectedClientsAreNotCounted) {
  Json json = federation();
  json["strategy"] = Json::object({{"weights", "uniform"}});
  json["privacy"] = parse_json(R"({"unit": "client", "noise_multiplier": 1})", "privacy");
  const auto record = run(json, 1);
  EXPECT_FALSE(record.bytes_up.has_value());
  const auto table = text(0, "communication.csv");
  EXPECT_EQ(table.substr(table.find('\n') + 1, 8), "1,8,,,40") << table;
}

// Whole clients are protected: nothing shows who took part.
TEST_F(Federations, SecretCohortsStaySecret) {
  Json json = federation();
  json["strategy"] = Json::object({{"weights", "uniform"}});
  json["participation"] = parse_json(R"({"kind": "poisson", "rate": 0.5})", "participation");
  json["local"].update(constants());
  json["privacy"] =
      parse_json(R"({"unit": "both", "example": {"noise_multiplier": 1, "delta": 1e-3},
                                   "client": {"noise_multiplier": 1}})",
                 "privacy");
  const auto record = run(json, 1);
  for (const auto& round : record.rounds) EXPECT_FALSE(round.clients.has_value());
  for (const auto& client : record.clients) EXPECT_EQ(client.rounds, 3);
  EXPECT_FALSE(record.bytes_up.has_value());
  EXPECT_THROW(text(0, "communication.csv"), Error);
}

Json line(const std::string& privacy) {
  return parse_json(R"({"name": "t", "rounds": 10, "loss": {"kind": "mse"},
    "dataset": {"name": "linear"}, "partition": {"kind": "iid", "clients": 2},
    "model": {"layers": [{"kind": "linear"}]},
    "local": {"epochs": 1, "batch_size": 100,
              "optimizer": {"kind": "sgd", "learning_rate": 0.2}}, "privacy": )" +
                        privacy + "}",
                    "line");
}

// The noise of the data has variance 0.01, and no estimate is better.
TEST_F(Federations, TwoPartiesFindTheLine) {
  const auto record = run_twice(line(R"({"unit": "none"})"));
  EXPECT_FALSE(record.rounds.back().accuracy);
  EXPECT_NEAR(*record.rounds.back().loss, 0.01, 0.003);
  ASSERT_EQ(record.weights.size(), 2u);
  EXPECT_EQ(record.weights[0].name, "0.weight");
  for (const auto& weight : record.weights) EXPECT_NEAR(weight.learned, weight.truth, 0.05);
}

TEST_F(Federations, TwoPartiesFindTheLineUnderDp) {
  const auto record =
      run_twice(line(R"({"unit": "example", "epsilon": 4, "delta": 1e-5, "insecure_seed": 1})"));
  EXPECT_LE(*record.rounds.back().epsilon, 4.0);
  EXPECT_LT(*record.rounds.back().loss, 0.05);
  for (const auto& weight : record.weights) EXPECT_NEAR(weight.learned, weight.truth, 0.3);
}

TEST_F(Federations, TheLossMustFitTheData) {
  const auto refusal = [&](const Json& json) { return test::error_of([&] { run(json, 1); }); };
  Json json = line(R"({"unit": "none"})");
  json["loss"]["kind"] = "cross_entropy";
  EXPECT_NE(refusal(json).find("/loss/kind: \"cross_entropy\" needs classes"), std::string::npos);
  json = federation();
  json["loss"] = Json::object({{"kind", "mse"}});
  EXPECT_NE(refusal(json).find("/loss/kind: \"mse\" needs a number"), std::string::npos);
  json = line(R"({"unit": "none"})");
  json["partition"] = parse_json(R"({"kind": "dirichlet", "clients": 2, "alpha": 1})", "p");
  EXPECT_NE(refusal(json).find("/partition/kind: "), std::string::npos);
}

Json phrases(const std::string& layers) {
  return parse_json(R"({"name": "t", "rounds": 1,
    "dataset": {"name": "phrases", "train_limit": 60, "test_limit": 20},
    "partition": {"kind": "iid", "clients": 2}, "model": {"layers": )" +
                        layers + R"(}, "local": {"epochs": 1, "batch_size": 20},
    "privacy": {"unit": "example", "noise_multiplier": 1, "delta": 1e-3, "insecure_seed": 1}})",
                    "phrases");
}

// The probe, the check of gradients and a run under DP, on integer tokens.
TEST_F(Federations, RecurrentAndAttentionModelsReadTokensUnderDp) {
  for (const char* layers : {R"([{"kind": "embedding", "num_embeddings": 128, "embedding_dim": 8},
            {"kind": "lstm", "hidden_size": 8, "output": "last"}, {"kind": "linear"}])",
                             R"([{"kind": "embedding", "num_embeddings": 128, "embedding_dim": 8},
            {"kind": "position_embedding"},
            {"kind": "transformer_encoder_layer", "nhead": 2, "dim_feedforward": 16},
            {"kind": "mean"}, {"kind": "linear"}])"}) {
    const auto record = run_twice(phrases(layers));
    EXPECT_GT(*record.rounds.back().epsilon, 0.0);
    const Experiment experiment = parse_experiment(phrases(layers), "phrases");
    const Federation federation = set_up(experiment, {});
    EXPECT_GT(check_model_gradients(federation, "phrases").compared, 0);
  }
}

TEST_F(Federations, TokensNeedATableThatHoldsThem) {
  const auto refusal = [&](const Json& json) { return test::error_of([&] { run(json, 1); }); };
  Json json = phrases(R"([{"kind": "embedding", "num_embeddings": 20, "embedding_dim": 8},
                          {"kind": "mean"}, {"kind": "linear"}])");
  EXPECT_NE(refusal(json).find("/model: has an embedding of 20 rows, and data set phrases"),
            std::string::npos);
  json["model"]["layers"][0]["num_embeddings"] = 128;
  json["attack"] = parse_json(R"({"kind": "backdoor", "clients": 0.5})", "a");
  EXPECT_NE(refusal(json).find("/attack/kind: \"backdoor\" stamps pixels"), std::string::npos);
  json.erase("attack");
  json["dataset"] = Json::object({{"name", "linear"}});
  json["loss"] = Json::object({{"kind", "mse"}});
  EXPECT_NE(refusal(json).find("/model: looks up tokens"), std::string::npos);
}

}  // namespace
}  // namespace starling
