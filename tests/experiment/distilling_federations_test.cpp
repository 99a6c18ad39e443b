// Runs whose clients or server learn answers on a public set, on devices of several kinds.

#include <gtest/gtest.h>

#include "experiment/documents.h"
#include "experiment/small_federations.h"

namespace starling {
namespace {

using test::Federations;
using test::with_strategy;

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

}  // namespace
}  // namespace starling
