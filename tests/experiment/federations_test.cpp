// Every strategy, robust rule, attack, codec and world in a run of the program's own kind: it ends,
// and gives the same bytes on one worker and on two.

#include <gtest/gtest.h>

#include "experiment/documents.h"
#include "experiment/small_federations.h"
#include "starling/federated/compatibility.h"

namespace starling {
namespace {

using test::federation;
using test::Federations;
using test::with_strategy;

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
