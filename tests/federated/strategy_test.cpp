// What holds of every strategy; each against its paper: the tests beside this one.

#include <gtest/gtest.h>

#include "federated/by_hand.h"

namespace starling {
namespace {

using test::cohorts;
using test::drive;
using test::Driver;
using test::kTolerance;
using test::Vector;
using test::operator-;

std::vector<StrategySpec> every_strategy() {
  std::vector<StrategySpec> all;
  [&]<size_t... i>(std::index_sequence<i...>) { (all.emplace_back(std::in_place_index<i>), ...); }
  (std::make_index_sequence<std::variant_size_v<StrategySpec>>());
  return all;
}

bool distils(const StrategySpec& spec) { return distillation_of(spec) != nullptr; }

TEST(EveryStrategy, BearsTheNameOfItsSpec) {
  for (const auto& spec : every_strategy()) EXPECT_EQ(make_strategy(spec)->name(), to_string(spec));
}

TEST(EveryStrategy, WeighsAsItsSpecSays) {
  for (const auto& spec : every_strategy())
    EXPECT_EQ(make_strategy(spec)->weight(30), weighting_of(spec) == Weighting::examples ? 30 : 1)
        << to_string(spec);
}

// Slots and memories are all that the next rounds depend on: moved to a new strategy after two
// rounds, they give the same end.
TEST(EveryStrategy, GoesOnFromItsSlots) {
  for (const auto& spec : every_strategy()) {
    if (distils(spec)) continue;
    Driver whole = drive(spec), first = drive(spec), second = drive(spec);
    for (Driver* driver : {&whole, &first, &second}) driver->noise_variance = 1e-3;
    whole.run();
    for (size_t t = 0; t < 2; ++t) first.round(cohorts()[t]);
    second.global = first.global;
    second.memories = first.memories;
    const auto from = first.strategy->slots(), to = second.strategy->slots();
    ASSERT_EQ(from.size(), to.size());
    for (size_t k = 0; k < from.size(); ++k) {
      EXPECT_EQ(from[k].first, to[k].first);
      EXPECT_EQ(from[k].second->size(), 2u) << to_string(spec);
      *to[k].second = *from[k].second;
    }
    for (size_t t = 2; t < cohorts().size(); ++t) second.round(cohorts()[t]);
    EXPECT_EQ(second.global, whole.global) << to_string(spec);
  }
}

TEST(EveryStrategy, UploadsTheUpdatesCoordinatesFirstAndFillsTheRest) {
  for (const auto& spec : every_strategy()) {
    if (distils(spec)) continue;
    Driver driver = drive(spec);
    EXPECT_GE(driver.strategy->upload_size(2), 2) << to_string(spec);
    const Vector upload = driver.upload_of(1);
    // Every algorithm uploads a positive multiple of the update there.
    const Vector update =
        driver.train(driver.clients[1], make_strategy(spec)->correction({})) - driver.global;
    EXPECT_NEAR(upload[0] * update[1], upload[1] * update[0], kTolerance) << to_string(spec);
    EXPECT_GT(upload[0] * update[0], 0) << to_string(spec);
    for (const double value : upload) EXPECT_NE(value, 0) << to_string(spec);
  }
}

}  // namespace
}  // namespace starling
