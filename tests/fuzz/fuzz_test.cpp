// Every reader on 5,000 changed inputs; STARLING_FUZZ_INPUTS sets another number,
// STARLING_FUZZ_TARGETS takes those alone whose name holds it.

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "fuzz/fuzz.h"
#include "reliability/limits.h"

namespace starling::fuzz {
namespace {

int64_t inputs(int64_t fallback) {
  const char* given = std::getenv("STARLING_FUZZ_INPUTS");
  return given == nullptr ? fallback : std::atoll(given);
}

bool is_chosen(const Target& target) {
  const char* given = std::getenv("STARLING_FUZZ_TARGETS");
  return given == nullptr || target.name.find(given) != std::string::npos;
}

void fuzz_all(int64_t count) {
  reliability::limit_address_space();
  for (const auto& target : targets()) {
    if (!is_chosen(target)) continue;
    for (const auto& seed : target.seeds) ASSERT_NO_THROW(target.read(seed)) << target.name;
    Outcome outcome;
    ASSERT_NO_THROW(outcome = run(target, count));
    std::cout << target.name << ": " << outcome.accepted << " accepted, " << outcome.refused
              << " refused\n";
    // Inputs that are all alike would test nothing.
    EXPECT_GT(outcome.accepted, 0) << target.name;
    EXPECT_GT(outcome.refused, count / 10) << target.name;
  }
}

TEST(Fuzz, EveryReaderTakesOrRefusesChangedInput) { fuzz_all(inputs(5'000)); }
TEST(Fuzz, CampaignEveryReaderTakesOrRefusesChangedInput) { fuzz_all(inputs(100'000)); }

TEST(Fuzz, InputsAreTheSameInEveryRun) {
  const auto target = targets().front();
  EXPECT_EQ(mutated(target, 7), mutated(target, 7));
  EXPECT_NE(mutated(target, 7), mutated(target, 8));
}

// The loop must see what a broken reader does.
TEST(Fuzz, FindsAReaderThatFailsOtherwise) {
  Target target = targets().front();
  target.read = [](std::string_view bytes) {
    if (bytes.find("[[[[") != std::string_view::npos) throw std::out_of_range("found");
  };
  EXPECT_THROW(run(target, 5'000), InternalError);
}

}  // namespace
}  // namespace starling::fuzz
