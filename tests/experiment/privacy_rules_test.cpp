// What the privacy rules allow in an experiment file.

#include <gtest/gtest.h>

#include "experiment/documents.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

using test::smallest_private;
using test::with;

Experiment parse(const Json& json) { return parse_experiment(json, "x.json"); }
std::string error(const Json& json) {
  return test::error_of([&] { parse(json); });
}
std::string error_with(std::string_view pointer, const std::string& value) {
  return error(with(pointer, value));
}
const ExamplePrivacy& example(const Experiment& experiment) {
  return std::get<ExamplePrivacy>(experiment.privacy);
}

TEST(Privacy, TakesExactlyOneOfNoiseAndEpsilon) {
  EXPECT_EQ(error_with("/privacy", R"({"unit": "example"})"),
            "x.json: /privacy: \"epsilon\" is missing; give a target epsilon, or a "
            "noise_multiplier");
  EXPECT_EQ(error_with("/privacy", R"({"unit": "example", "epsilon": 1, "noise_multiplier": 1})"),
            "x.json: /privacy: \"noise_multiplier\" and \"epsilon\" are both given; give one of "
            "them");
}

TEST(Privacy, RefusesZeroes) {
  for (const std::string key : {"noise_multiplier", "epsilon", "clip_norm", "delta"}) {
    const Json json = with("/privacy/" + key, "0", smallest_private());
    EXPECT_TRUE(error(json).starts_with("x.json: /privacy/" + key + ": 0 is outside "))
        << error(json);
  }
  EXPECT_EQ(error(with("/privacy/delta", "1", smallest_private())),
            "x.json: /privacy/delta: 1 is outside (0, 1)");
}

TEST(Privacy, NeedsItsUnit) {
  EXPECT_EQ(error_with("/privacy", R"({"epsilon": 8})"),
            "x.json: /privacy: \"unit\" is missing; \"example\" protects single examples, "
            "\"client\" whole clients, \"none\" nothing");
  EXPECT_EQ(
      error_with("/privacy", R"({"unit": "none", "epsilon": 8})"),
      "x.json: /privacy/epsilon: is not a known key beside \"unit\": \"none\"; known are unit");
}

TEST(Privacy, NoiseIsFastUnlessSecureIsAsked) {
  EXPECT_EQ(example(parse(smallest_private())).noise, NoiseKind::fast);
  EXPECT_EQ(example(parse(with("/privacy/noise", R"("secure")", smallest_private()))).noise,
            NoiseKind::secure);
}

TEST(Privacy, WhatIsNotBuiltYetIsRefusedByName) {
  for (const Json& json : {smallest_private(), test::smallest_client_level()})
    EXPECT_TRUE(error(with("/privacy/noise", R"("distributed")", json))
                    .starts_with("x.json: /privacy/noise: \"distributed\" is not available yet: "
                                 "shares of the noise need secure aggregation"));
}

std::string client_level_error(std::string_view pointer, const std::string& value) {
  return error(with(pointer, value, test::smallest_client_level()));
}

TEST(ClientRules, TheServerAddsTheNoiseAndIsTrusted) {
  EXPECT_TRUE(
      client_level_error("/privacy/adversary", R"("server_and_models")")
          .starts_with("x.json: /privacy/adversary: \"server_and_models\" does not go with"));
  EXPECT_EQ(client_level_error("/privacy/adversary", R"("final_model")"), "");
}

TEST(ClientRules, WeightsAreUniformOrCapped) {
  EXPECT_TRUE(client_level_error("/strategy/weights", R"("examples")")
                  .starts_with("x.json: /strategy/weights: "));
  EXPECT_TRUE(
      client_level_error("/privacy/weight_cap", "10").starts_with("x.json: /privacy/weight_cap: "));
  Json json = test::smallest_client_level();
  json["strategy"]["weights"] = "examples";
  json["privacy"]["weight_cap"] = 10;
  EXPECT_EQ(error(json), "");
}

// Trap 9: nothing is claimed for a sampling that is not accounted for.
TEST(ClientRules, CohortsAreThoseTheAccountantTakes) {
  EXPECT_EQ(client_level_error("/participation", R"({"kind": "poisson", "rate": 0.1})"), "");
  const char* fixed = R"({"fraction": 0.5})";
  EXPECT_TRUE(client_level_error("/participation", fixed)
                  .starts_with("x.json: /participation/fraction: a cohort of fixed size"));
  Json json = with("/participation", fixed, test::smallest_client_level());
  json["privacy"]["relation"] = "replace_one";
  EXPECT_NE(error(json), "");
  json["privacy"]["accountant"] = "rdp";
  EXPECT_EQ(error(json), "");
  EXPECT_TRUE(client_level_error("/participation", R"({"max_participations": 3})")
                  .starts_with("x.json: /participation: "));
  EXPECT_TRUE(client_level_error("/participation",
                                 R"({"kind": "poisson", "rate": 0.5, "min_separation": 1})")
                  .starts_with("x.json: /participation: "));
}

TEST(ClientRules, TreesNeedAPublicSchedule) {
  Json json = test::smallest_client_level();
  json["privacy"]["release"] = "tree";
  json["participation"] = parse_json(R"({"fraction": 0.5, "max_participations": 3})", "p");
  EXPECT_EQ(error(json), "");
  EXPECT_TRUE(error(with("/participation", R"({"kind": "poisson", "rate": 0.5})", json))
                  .starts_with("x.json: /participation/kind: "));
  EXPECT_TRUE(error(with("/privacy/relation", R"("add_remove")", json))
                  .starts_with("x.json: /privacy/relation: "));
  EXPECT_TRUE(
      error(with("/privacy/adaptive", "{}", json)).starts_with("x.json: /privacy/adaptive: "));
  EXPECT_TRUE(client_level_error("/privacy/restart_every", "2")
                  .starts_with("x.json: /privacy/restart_every: "));
}

TEST(ClientRules, BothLevelsShareOneKey) {
  const char* both =
      R"({"unit": "both", "example": {"epsilon": 2, "delta": 1e-4, "insecure_seed": 1},
                         "client": {"epsilon": 2}})";
  EXPECT_TRUE(error(with("/privacy", both, test::smallest_both()))
                  .starts_with("x.json: /privacy: one run has one key"));
}

// The ledger's lines of single clients would tell how much data a protected client has.
TEST(ClientRules, BothLevelsTakeConstants) {
  EXPECT_EQ(error(test::smallest_both()), "");
  Json json = test::smallest_both();
  json["local"].erase("sample_rate");
  EXPECT_TRUE(error(json).starts_with("x.json: /local: \"sample_rate\" is missing")) << error(json);
  json = test::smallest_both();
  json["privacy"]["example"].erase("delta");
  EXPECT_TRUE(error(json).starts_with("x.json: /privacy/example: \"delta\" is missing"))
      << error(json);
}

Json add_remove() {
  Json json = smallest_private();
  json["privacy"]["relation"] = "add_remove";
  json["privacy"]["delta"] = 1e-5;
  json["strategy"]["weights"] = "uniform";
  json["local"] = parse_json(R"({"steps": 10, "batch_size": 32, "sample_rate": 0.05})", "local");
  return json;
}

// Under add_remove a client's number of examples is private.
TEST(PrivacyRules, AddRemoveNeedsConstants) {
  EXPECT_EQ(error(add_remove()), "");
  Json json = add_remove();
  json["strategy"]["weights"] = "examples";
  EXPECT_TRUE(error(json).starts_with("x.json: /strategy/weights: ")) << error(json);
  json = add_remove();
  json.erase("strategy");
  EXPECT_TRUE(error(json).starts_with("x.json: /strategy/weights: ")) << error(json);
  json = add_remove();
  json["local"].erase("sample_rate");
  EXPECT_TRUE(error(json).starts_with("x.json: /local: \"sample_rate\" is missing")) << error(json);
  json = add_remove();
  json["local"].erase("steps");
  EXPECT_TRUE(error(json).starts_with("x.json: /local: \"steps\" is missing")) << error(json);
  json = add_remove();
  json["privacy"].erase("delta");
  EXPECT_TRUE(error(json).starts_with("x.json: /privacy: \"delta\" is missing")) << error(json);
}

TEST(PrivacyRules, AddRemoveRefusesShuffleAndFixed) {
  for (const char* sampling : {"shuffle", "fixed"}) {
    Json json = add_remove();
    json["local"] = Json::object({{"sampling", sampling}});
    EXPECT_TRUE(error(json).starts_with("x.json: /local/sampling: ")) << error(json);
  }
}

TEST(PrivacyRules, ShuffleGoesWithZeroOutAndReplaceOne) {
  for (const char* relation : {"zero_out", "replace_one"}) {
    Json json = with("/local/sampling", R"("shuffle")", smallest_private());
    json["privacy"]["relation"] = relation;
    EXPECT_EQ(error(json), "");
  }
}

TEST(PrivacyRules, FixedGoesWithReplaceOneAndRdpOnly) {
  Json json = with("/local/sampling", R"("fixed")", smallest_private());
  EXPECT_TRUE(error(json).starts_with("x.json: /local/sampling: ")) << error(json);
  json["privacy"]["relation"] = "replace_one";
  EXPECT_EQ(example(parse(json)).accountant, "rdp");
  json["privacy"]["accountant"] = "exact";
  EXPECT_TRUE(error(json).starts_with("x.json: /privacy/accountant: ")) << error(json);
}

TEST(PrivacyRules, FixedWithoutPrivacyIsFree) {
  EXPECT_EQ(error_with("/local/sampling", R"("fixed")"), "");
}

TEST(Privacy, NoiseIsSubtractedWhereExampleGradientsHaveSome) {
  const auto with_adam = [](Json json) {
    json["local"]["optimizer"] =
        parse_json(R"({"kind": "adam_bc", "betas": [0.8, 0.99], "floor": 1e-5})", "optimizer");
    return json;
  };
  for (const Json& json : {test::smallest_private(), test::smallest_both()}) {
    const auto experiment = parse_experiment(with_adam(json), "x.json");
    EXPECT_EQ(to_json(parse_experiment(to_json(experiment), "y.json")), to_json(experiment));
  }
  for (const Json& json : {test::smallest(), test::smallest_client_level()})
    EXPECT_TRUE(error(with_adam(json)).starts_with("x.json: /local/optimizer/kind: \"adam_bc\""))
        << error(with_adam(json));
}

}  // namespace
}  // namespace starling
