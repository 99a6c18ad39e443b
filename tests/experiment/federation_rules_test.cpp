// Strategy, aggregation, attack, world and communication in an experiment file: what is read, what
// is written, and what does not go together.

#include <gtest/gtest.h>

#include "experiment/documents.h"
#include "starling/experiment/experiment.h"
#include "starling/federated/compatibility.h"

namespace starling {
namespace {

using test::smallest;
using test::smallest_private;
using test::with;

Experiment parse(const Json& json) { return parse_experiment(json, "x.json"); }
std::string error(const Json& json) {
  return test::error_of([&] { parse(json); });
}
std::string error_with(std::string_view pointer, const std::string& value) {
  return error(with(pointer, value));
}

// Every alternative with every field away from its default, written and read again.
TEST(Federation, ParseOfWrittenIsTheSame) {
  const std::pair<const char*, const char*> members[] = {
      {"/strategy", R"({"server_learning_rate": 0.5})"},
      {"/strategy", R"({"kind": "fedavgm", "weights": "uniform", "server_learning_rate": 0.5,
                        "momentum": 0.8})"},
      {"/strategy", R"({"kind": "fedprox", "weights": "uniform", "mu": 0.5})"},
      {"/strategy", R"({"kind": "scaffold", "weights": "examples", "server_learning_rate": 0.5})"},
      {"/strategy", R"({"kind": "fednova", "weights": "uniform", "server_learning_rate": 0.5})"},
      {"/strategy", R"({"kind": "fedadagrad", "weights": "uniform", "server_learning_rate": 0.5,
                        "beta_1": 0.1, "tau": 0.01})"},
      {"/strategy", R"({"kind": "fedadam", "weights": "uniform", "server_learning_rate": 0.5,
                        "beta_1": 0.1, "beta_2": 0.2, "tau": 0.01})"},
      {"/strategy", R"({"kind": "fedyogi", "weights": "uniform", "server_learning_rate": 0.5,
                        "beta_1": 0.1, "beta_2": 0.2, "tau": 0.01})"},
      {"/strategy", R"({"kind": "feddyn", "weights": "examples", "alpha": 0.5})"},
      {"/strategy", R"({"kind": "qfedavg", "q": 2.0})"},
      {"/strategy", R"({"kind": "fedbn", "weights": "uniform"})"},
      {"/strategy", R"({"kind": "fedper", "weights": "uniform", "personal": ["3", "a.bias"]})"},
      {"/strategy", R"({"kind": "ditto", "weights": "uniform", "lambda": 0.5})"},
      {"/strategy", R"({"kind": "fedbuff", "server_learning_rate": 0.5, "buffer_size": 3,
                        "max_staleness": 4, "concurrency": 5})"},
      {"/strategy", R"({"kind": "feddf", "weights": "uniform", "temperature": 3.0,
                        "distillation": {"public_examples": 7, "examples_per_round": 5, "epochs": 2, "batch_size": 8,
                                         "learning_rate": 0.01}})"},
      {"/strategy", R"({"kind": "dsfl", "weights": "examples", "temperature": 0.5,
                        "distillation": {"public_examples": 7, "examples_per_round": 5, "epochs": 2, "batch_size": 8,
                                         "learning_rate": 0.01}})"},
      {"/strategy",
       R"({"kind": "fedmd", "weights": "examples", "temperature": 2.0, "pretraining_epochs": 3,
                        "distillation": {"public_examples": 7, "examples_per_round": 5, "epochs": 2, "batch_size": 8,
                                         "learning_rate": 0.01}})"},
      {"/aggregation", R"({"kind": "median"})"},
      {"/aggregation", R"({"kind": "trimmed_mean", "beta": 0.3})"},
      {"/aggregation", R"({"kind": "krum", "malicious_clients": 2})"},
      {"/aggregation", R"({"kind": "multi_krum", "malicious_clients": 2, "clients_to_keep": 3})"},
      {"/aggregation", R"({"kind": "bulyan", "malicious_clients": 2})"},
      {"/aggregation", R"({"kind": "geometric_median", "iterations": 3, "smoothing": 0.1})"},
      {"/aggregation", R"({"kind": "norm_bound", "bound": 0.5})"},
      {"/aggregation", R"({"kind": "fltrust", "root_examples": 7})"},
      {"/attack", R"({"kind": "label_flip", "clients": 0.4, "from": 1, "to": 2})"},
      {"/attack", R"({"kind": "sign_flip", "clients": 0.4, "scale": 2.0})"},
      {"/attack", R"({"kind": "gaussian", "clients": 0.4, "std": 2.0})"},
      {"/attack", R"({"kind": "backdoor", "clients": 0.4, "target": 1, "size": 4, "value": 2.5,
                      "poisoned": 0.25, "scale": 10.0})"},
      {"/world", R"({"availability": 0.9, "dropout": 0.1, "deadline": 2.0, "over_selection": 1.25,
                     "minimum_clients": 3, "stragglers": {"kind": "lognormal", "sigma": 0.25}})"},
      {"/world/stragglers", R"({"kind": "slow", "fraction": 0.25, "slowdown": 3.0})"},
      {"/communication", R"({"kind": "quantize", "bits": 4, "error_feedback": true})"},
      {"/communication", R"({"kind": "top_k", "fraction": 0.25, "error_feedback": false})"},
      {"/communication", R"({"kind": "random_k", "fraction": 0.25, "error_feedback": false})"},
      {"/communication", R"({"kind": "float16"})"},
  };
  for (const auto& [pointer, value] : members) {
    const auto experiment = parse(with(pointer, value));
    const Json written = to_json(experiment);
    EXPECT_EQ(parse(written), experiment) << value;
    EXPECT_NE(experiment, parse(smallest())) << value;
    const Json part = parse_json(value, "value"), resolved = written[Json::json_pointer(pointer)];
    for (const auto& item : part.items()) EXPECT_EQ(resolved[item.key()], item.value()) << value;
  }
}

TEST(Federation, FieldsBelongToTheirKind) {
  EXPECT_EQ(error_with("/strategy", R"({"kind": "fedavg", "mu": 0.1})"),
            "x.json: /strategy/mu: is not a known key beside \"kind\": \"fedavg\"; known are kind, "
            "weights or server_learning_rate");
  EXPECT_EQ(error_with("/strategy", R"({"kind": "fedadm"})"),
            "x.json: /strategy/kind: \"fedadm\" is not one of fedavg, fedavgm, fedprox, scaffold, "
            "fednova, fedadagrad, fedadam, fedyogi, feddyn, qfedavg, fedbn, fedper, ditto, fedsgd, "
            "fedbuff, feddf, dsfl or fedmd (did you mean \"fedadam\"?)");
  EXPECT_EQ(
      error_with("/strategy", R"({"kind": "qfedavg", "weights": "examples"})"),
      "x.json: /strategy/weights: is not a known key beside \"kind\": \"qfedavg\"; known are kind "
      "or q");
  EXPECT_EQ(error_with("/strategy", R"({"kind": "fedper"})"),
            "x.json: /strategy: \"personal\" is missing");
  EXPECT_TRUE(error_with("/strategy", R"({"kind": "fedper", "personal": []})")
                  .starts_with("x.json: /strategy/personal: is empty; name the layers"));
  EXPECT_TRUE(error_with("/attack", R"({"kind": "label_flip", "to": 1})")
                  .starts_with("x.json: /attack/to: is given alone; give from and to"));
}

TEST(Federation, DefaultsOfWeightsAreThePapers) {
  EXPECT_EQ(weighting_of(parse(with("/strategy/kind", R"("scaffold")")).strategy),
            Weighting::uniform);
  EXPECT_EQ(weighting_of(parse(with("/strategy/kind", R"("feddyn")")).strategy),
            Weighting::uniform);
  EXPECT_EQ(weighting_of(parse(with("/strategy/kind", R"("fednova")")).strategy),
            Weighting::examples);
}

// The checker reads the table: at example level, cell by cell.
TEST(FederationRules, TheCheckerReadsTheTable) {
  for (const auto& strategy : strategy_words()) {
    Json json = smallest_private();
    json["strategy"]["kind"] = strategy;
    if (strategy == "fedper") json["strategy"]["personal"] = {"1"};
    if (strategy == "fedsgd") json["local"]["steps"] = 1;
    const auto verdict = compatible(strategy, ProtectedUnit::example, CohortSampling::fraction,
                                    Adversary::server_and_models);
    const std::string expected =
        verdict.refused() ? "x.json: /strategy/kind: \"" + strategy +
                                "\" does not go with privacy unit \"example\": " + verdict.reason
                          : "";
    EXPECT_EQ(error(json), expected);
  }
}

// At client level with the adversaries that the client rules admit.
TEST(FederationRules, TheCheckerReadsTheTableAtClientLevel) {
  int64_t refused = 0;
  for (const char* unit : {"client", "both"}) {
    for (const auto& strategy : strategy_words()) {
      Json json =
          unit == std::string("both") ? test::smallest_both() : test::smallest_client_level();
      json["strategy"] = Json::object({{"kind", strategy}});
      if (strategy != "qfedavg" && strategy != "fedbuff") json["strategy"]["weights"] = "uniform";
      if (strategy == "fedper") json["strategy"]["personal"] = {"1"};
      if (strategy == "fedsgd") json["local"]["steps"] = 1;
      json["participation"] = parse_json(R"({"kind": "poisson", "rate": 0.5})", "p");
      const auto verdict = compatible(
          strategy, unit == std::string("both") ? ProtectedUnit::both : ProtectedUnit::client,
          CohortSampling::poisson, Adversary::every_global_model);
      EXPECT_EQ(error(json).empty(), !verdict.refused()) << strategy << ": " << error(json);
      if (verdict.refused()) {
        EXPECT_NE(error(json).find(verdict.reason), std::string::npos) << error(json);
        ++refused;
      }
    }
  }
  EXPECT_EQ(refused, 8);
}

TEST(FederationRules, DevicesAreWrittenAndReadAgain) {
  const Json json =
      with("/devices", R"([{"clients": 3, "model": {"file": "a.json", "freeze": ["0"]}}])",
           with("/strategy", R"({"kind": "dsfl"})"));
  const auto experiment = parse(json);
  EXPECT_EQ(experiment.devices.at(0).clients, 3);
  EXPECT_EQ(experiment.devices.at(0).model.file, "a.json");
  EXPECT_EQ(parse(to_json(experiment)), experiment);
  for (const char* wrong :
       {R"([{"clients": 3}])", R"([{"clients": 0, "model": {"file": "a"}}])", R"([{"model": {}}])"})
    EXPECT_TRUE(error(with("/devices", wrong, json)).starts_with("x.json: /devices/0")) << wrong;
  EXPECT_NO_THROW(parse(with("/strategy", R"({"kind": "feddf"})", json)));
  EXPECT_TRUE(error(with("/strategy", R"({"kind": "fedprox"})", json))
                  .starts_with("x.json: /devices: gives clients other models"));
}

TEST(FederationRules, PretrainingNeedsColumnsThatAreStandardisedBefore) {
  Json json = with("/strategy", R"({"kind": "fedmd", "pretraining_epochs": 1})",
                   with("/privacy", R"({"unit": "example", "epsilon": 8})"));
  EXPECT_NO_THROW(parse(json));
  json["dataset"] =
      parse_json(R"({"name": "income", "standardization": {"kind": "private"}})", "dataset");
  EXPECT_TRUE(error(json).starts_with("x.json: /strategy/pretraining_epochs: trains before"));
}

// Answers on a public set are neither updates nor numbers to predict.
TEST(FederationRules, StrategiesThatDistilRefuseWhatTheyWouldIgnore) {
  for (const char* strategy : {"feddf", "dsfl", "fedmd"}) {
    const Json base = with("/strategy/kind", "\"" + std::string(strategy) + "\"");
    EXPECT_EQ(error(base), "");
    EXPECT_EQ(error(with("/attack", R"({"kind": "label_flip"})", base)), "");
    for (const auto& [pointer, value] : {std::pair{"/loss", R"({"kind": "mse"})"},
                                         {"/attack", R"({"kind": "sign_flip"})"},
                                         {"/attack", R"({"kind": "backdoor"})"},
                                         {"/aggregation", R"({"kind": "median"})"}}) {
      EXPECT_TRUE(error(with(pointer, value, base)).starts_with("x.json: " + std::string(pointer)))
          << strategy << " " << value << ": " << error(with(pointer, value, base));
    }
    EXPECT_EQ(error(with("/communication", R"({"kind": "float16"})", base)).empty(),
              strategy != std::string("feddf"));
  }
  Json json = test::smallest_client_level();
  json["strategy"] = Json::object({{"kind", "dsfl"}});
  EXPECT_EQ(error(json), "");
  json["privacy"]["clipping"] = "per_layer";
  EXPECT_TRUE(error(json).starts_with("x.json: /privacy: strategy \"dsfl\" uploads answers"));
}

Json server_noise() {
  Json json = with("/privacy", R"({"unit": "example", "epsilon": 8,
                                   "adversary": "every_global_model"})");
  json["strategy"] =
      parse_json(R"({"kind": "fedsgd", "weights": "uniform", "noise_by": "server"})", "s");
  json["local"] = parse_json(R"({"steps": 1, "batch_size": 4})", "l");
  return json;
}

TEST(FederationRules, ServersNoiseOnExampleSumsTakesWhatItsSensitivityIsProvenFor) {
  EXPECT_EQ(error(server_noise()), "");
  const auto parsed = parse(server_noise());
  EXPECT_EQ(parse(to_json(parsed)), parsed);
  const std::tuple<const char*, const char*, const char*> refused[] = {
      {"/privacy", R"({"unit": "none"})", "/strategy/noise_by"},
      {"/privacy", R"({"unit": "client", "epsilon": 8})", "/strategy/noise_by"},
      {"/privacy/adversary", R"("server_and_models")", "/privacy/adversary"},
      {"/privacy/noise", R"("secure")", "/privacy/noise"},
      {"/local/sampling", R"("shuffle")", "/local/sampling"},
      {"/strategy/weights", R"("examples")", "/strategy/weights"},
      {"/aggregation", R"({"kind": "median"})", "/aggregation/kind"},
      {"/communication", R"({"kind": "top_k", "fraction": 0.1})", "/communication/kind"},
      {"/model/freeze", R"(["0"])", "/model/freeze"},
      {"/local/steps", "2", "/local/steps"},
  };
  for (const auto& [pointer, value, place] : refused) {
    const std::string problem = error(with(pointer, value, server_noise()));
    EXPECT_TRUE(problem.starts_with("x.json: " + std::string(place) + ": ")) << problem;
  }
}

TEST(FederationRules, PoissonCohortsOfProtectedClientsAreNotCutOff) {
  Json json = test::smallest_client_level();
  json["participation"] = parse_json(R"({"kind": "poisson", "rate": 0.5})", "p");
  json["world"] = parse_json(R"({"availability": 0.5, "dropout": 0.1})", "w");
  EXPECT_EQ(error(json), "");
  for (const char* key : {"deadline", "minimum_clients"}) {
    Json cut = json;
    cut["world"][key] = 2;
    EXPECT_TRUE(error(cut).starts_with("x.json: /world: ")) << error(cut);
  }
  json["aggregation"]["kind"] = "median";
  EXPECT_TRUE(error(json).starts_with("x.json: /aggregation/kind: \"median\" does not go with"))
      << error(json);
}

TEST(FederationRules, TrustedExamplesOfTheServerDoNotGoWithPrivacy) {
  Json json = smallest_private();
  json["aggregation"]["kind"] = "fltrust";
  EXPECT_EQ(error(json),
            "x.json: /aggregation/kind: \"fltrust\" does not go with privacy unit \"example\": the "
            "server's own examples would be used without noise");
  json["aggregation"]["kind"] = "median";
  EXPECT_EQ(error(json), "");
}

TEST(FederationRules, RobustRulesTakeUpdatesAlone) {
  Json json = with("/strategy/kind", R"("scaffold")");
  json["aggregation"]["kind"] = "krum";
  EXPECT_TRUE(error(json).starts_with(
      "x.json: /aggregation/kind: does not go with strategy \"scaffold\": \"krum\" judges"))
      << error(json);
}

TEST(FederationRules, GradientsAreReadBackFromPlainSteps) {
  for (const char* strategy : {"scaffold", "fednova", "qfedavg", "fedsgd"}) {
    Json json = with("/strategy/kind", "\"" + std::string(strategy) + "\"");
    json["local"]["steps"] = 1;
    EXPECT_EQ(error(json), "");
    Json adam = json;
    adam["local"]["optimizer"]["kind"] = "adam";
    EXPECT_TRUE(error(adam).starts_with("x.json: /local/optimizer/kind: strategy \"" +
                                        std::string(strategy)))
        << error(adam);
    Json damped = json;
    damped["local"]["optimizer"]["dampening"] = 0.5;
    EXPECT_TRUE(error(damped).starts_with("x.json: /local/optimizer: strategy")) << error(damped);
    Json heavy = json;
    heavy["local"]["optimizer"]["momentum"] = 0.9;
    const bool takes_momentum =
        strategy == std::string("scaffold") || strategy == std::string("fednova");
    EXPECT_EQ(error(heavy).empty(), takes_momentum) << strategy;
    heavy["local"]["optimizer"]["momentum"] = 1.0;
    EXPECT_TRUE(error(heavy).starts_with("x.json: /local/optimizer/momentum: ")) << error(heavy);
  }
  Json adam = with("/local/optimizer/kind", R"("adam")");
  EXPECT_EQ(error(adam), "");
}

TEST(FederationRules, FedSgdTakesOneStep) {
  for (const char* local : {R"({"epochs": 1})", R"({"steps": 2})"}) {
    Json json = with("/strategy/kind", R"("fedsgd")");
    json["local"] = parse_json(local, "local");
    EXPECT_TRUE(error(json).starts_with("x.json: /local/steps: strategy \"fedsgd\" takes one step"))
        << error(json);
  }
}

TEST(FederationRules, OverSelectionNeedsAWantedNumber) {
  Json json = with("/world/over_selection", "1.5");
  EXPECT_EQ(error(json), "");
  json["participation"] = parse_json(R"({"kind": "poisson", "rate": 0.5})", "p");
  EXPECT_TRUE(error(json).starts_with("x.json: /world/over_selection: needs participation"))
      << error(json);
}

TEST(FederationRules, AsynchronousRoundsDoNotWait) {
  for (const char* world :
       {R"({"over_selection": 1.5})", R"({"minimum_clients": 1})", R"({"deadline": 2.0})"}) {
    Json json = with("/strategy/kind", R"("fedbuff")");
    json["world"] = parse_json(world, "world");
    EXPECT_TRUE(error(json).starts_with("x.json: /world: over_selection, minimum_clients"))
        << error(json);
  }
}

// What add_remove protects is asked of whatever strategy.
TEST(FederationRules, AddRemoveNeedsUniformWeightsOfEveryStrategy) {
  Json json = smallest_private();
  json["privacy"]["relation"] = "add_remove";
  json["privacy"]["delta"] = 1e-5;
  json["local"] = parse_json(R"({"steps": 10, "batch_size": 32, "sample_rate": 0.05})", "local");
  json["strategy"] = parse_json(R"({"kind": "fedadam", "weights": "examples"})", "s");
  EXPECT_TRUE(error(json).starts_with("x.json: /strategy/weights: ")) << error(json);
  json["strategy"]["weights"] = "uniform";
  EXPECT_EQ(error(json), "");
}

TEST(Rules, AttacksOnClassesNeedClasses) {
  for (const char* kind : {"label_flip", "backdoor"}) {
    Json json = test::with("/loss", R"({"kind": "mse"})");
    json["attack"] = Json::object({{"kind", kind}});
    EXPECT_NE(test::error_of([&] { parse_experiment(json, "x"); }).find("x: /attack/kind: "),
              std::string::npos)
        << kind;
    json["attack"]["kind"] = "sign_flip";
    EXPECT_EQ(test::error_of([&] { parse_experiment(json, "x"); }), "");
  }
}

}  // namespace
}  // namespace starling
