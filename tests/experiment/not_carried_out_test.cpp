// What is read and not carried out is refused by name before anything is done.

#include <gtest/gtest.h>

#include "experiment/documents.h"
#include "experiment/parts.h"

namespace starling {
namespace {

std::string refusal(std::string_view pointer, const std::string& value) {
  const auto experiment = parse_experiment(test::with(pointer, value), "x.json");
  return test::error_of([&] { experiment::refuse_not_carried_out(experiment, "x.json"); });
}

TEST(NotCarriedOut, IsRefusedByName) {
  EXPECT_EQ(refusal("/aggregation/kind", R"("median")"),
            "x.json: /aggregation/kind: \"median\" is not carried out by runs yet; use \"mean\"");
  EXPECT_EQ(refusal("/world/dropout", "0.1"),
            "x.json: /world: is not carried out by runs yet; leave its fields at their defaults");
  for (const char* strategy : {"fedbn", "ditto", "fedbuff"})
    EXPECT_TRUE(refusal("/strategy/kind", "\"" + std::string(strategy) + "\"")
                    .starts_with("x.json: /strategy/kind: \"" + std::string(strategy)));
  EXPECT_NE(refusal("/strategy", R"({"kind": "fedper", "personal": ["1"]})"), "");
  EXPECT_NE(refusal("/attack/kind", R"("gaussian")"), "");
  EXPECT_NE(refusal("/communication/kind", R"("top_k")"), "");
}

TEST(NotCarriedOut, WhatRunsDoPasses) {
  EXPECT_EQ(refusal("/rounds", "3"), "");
  for (const char* strategy : {"fedavgm", "fedprox", "scaffold", "fednova", "fedadagrad", "fedadam",
                               "fedyogi", "feddyn", "qfedavg"})
    EXPECT_EQ(refusal("/strategy/kind", "\"" + std::string(strategy) + "\""), "") << strategy;
  EXPECT_EQ(refusal("/feature_shift/kind", R"("noise")"), "");
}

}  // namespace
}  // namespace starling
