// Runs that protect whole clients: every form ends, and its files show nothing that is private.

#include <gtest/gtest.h>

#include "experiment/documents.h"
#include "experiment/small_federations.h"

namespace starling {
namespace {

using test::constants;
using test::federation;
using test::Federations;
using test::with_strategy;

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

}  // namespace
}  // namespace starling
