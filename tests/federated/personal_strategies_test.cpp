// Strategies that keep something at the clients.

#include <gtest/gtest.h>

#include "federated/by_hand.h"

namespace starling {
namespace {

using test::expect_same;
using test::outcome;

TEST(FedBn, KeepsNormalisationAtTheClient) {
  const auto strategy = make_strategy(FedBnSpec{});
  for (const char* layer :
       {"BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm", "InstanceNorm2d"})
    EXPECT_TRUE(strategy->keeps_local({"1.weight", layer})) << layer;
  for (const char* layer : {"Linear", "Conv2d", "LSTM", ""})
    EXPECT_FALSE(strategy->keeps_local({"1.weight", layer})) << layer;
  expect_same(outcome(FedBnSpec{}), outcome(FedAvgSpec{}));
}

TEST(FedPer, KeepsTheLayersNamed) {
  const auto strategy = make_strategy(FedPerSpec{.personal = {"layers.1", "head.bias"}});
  for (const char* name : {"layers.1.weight", "layers.1.0.bias", "head.bias", "layers.1"})
    EXPECT_TRUE(strategy->keeps_local({name, "Linear"})) << name;
  for (const char* name : {"layers.10.weight", "layers.0.weight", "head.weight", "1.weight"})
    EXPECT_FALSE(strategy->keeps_local({name, "Linear"})) << name;
  expect_same(outcome(FedPerSpec{.personal = {"x"}}), outcome(FedAvgSpec{}));
}

TEST(Ditto, TrainsAPersonalModelBesideFedAvg) {
  EXPECT_EQ(make_strategy(DittoSpec{.lambda = 0.3})->personal_proximal(), 0.3);
  EXPECT_EQ(make_strategy(DittoSpec{})->correction({}).proximal, 0.0);
  expect_same(outcome(DittoSpec{}), outcome(FedAvgSpec{}));
}

}  // namespace
}  // namespace starling
