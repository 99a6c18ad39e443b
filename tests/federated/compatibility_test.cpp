// The table, enumerated, against the privacy rules; and the documentation against the table.

#include "starling/federated/compatibility.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "starling/core/files.h"

namespace starling {
namespace {

constexpr ProtectedUnit kUnits[] = {ProtectedUnit::none, ProtectedUnit::example,
                                    ProtectedUnit::client, ProtectedUnit::both};
constexpr CohortSampling kSamplings[] = {CohortSampling::fraction, CohortSampling::poisson};
constexpr Adversary kAdversaries[] = {Adversary::server_and_models, Adversary::every_global_model,
                                      Adversary::final_model};

template <class Visit>
void each_cell(Visit visit) {
  for (const auto& strategy : strategy_words())
    for (const auto unit : kUnits)
      for (const auto sampling : kSamplings)
        for (const auto adversary : kAdversaries)
          visit(strategy, unit, sampling, adversary,
                compatible(strategy, unit, sampling, adversary));
}

bool protects_clients(ProtectedUnit unit) {
  return unit == ProtectedUnit::client || unit == ProtectedUnit::both;
}

TEST(Table, HasOneRowForEachStrategy) {
  std::vector<std::string> words;
  [&]<size_t... i>(std::index_sequence<i...>) {
    (words.push_back(to_string(StrategySpec(std::in_place_index<i>))), ...);
  }
  (std::make_index_sequence<std::variant_size_v<StrategySpec>>());
  EXPECT_EQ(strategy_words(), words);
}

TEST(Table, RefusesWhatIsNotInIt) {
  for (const auto unit : kUnits)
    EXPECT_TRUE(
        compatible("fedgkt", unit, CohortSampling::poisson, Adversary::final_model).refused());
  EXPECT_TRUE(compatible("fedavg", static_cast<ProtectedUnit>(9), CohortSampling::poisson,
                         Adversary::final_model)
                  .refused());
  EXPECT_TRUE(compatible("fedavg", ProtectedUnit::client, CohortSampling::poisson,
                         static_cast<Adversary>(9))
                  .refused());
}

TEST(Table, WithoutPrivacyEverythingIsAllowed) {
  each_cell([](auto& strategy, auto unit, auto, auto, const Verdict& verdict) {
    if (unit == ProtectedUnit::none) {
      EXPECT_EQ(verdict.treatment, Treatment::allowed) << strategy;
    }
  });
}

TEST(Table, EveryRefusalHasItsReason) {
  int64_t refused = 0;
  each_cell([&](auto& strategy, auto unit, auto, auto, const Verdict& verdict) {
    if (verdict.treatment == Treatment::allowed) return;
    EXPECT_GE(verdict.reason.size(), 20u) << strategy << " " << to_string(unit);
    ++refused;
  });
  EXPECT_GT(refused, 50);
}

// Noise at the server protects from nobody who sees uploads.
TEST(Table, ClientLevelTrustsTheServer) {
  each_cell([](auto& strategy, auto unit, auto, auto adversary, const Verdict& verdict) {
    if (protects_clients(unit) && adversary == Adversary::server_and_models) {
      EXPECT_TRUE(verdict.refused()) << strategy;
    }
  });
}

TEST(Table, BothLevelsNeedEach) {
  each_cell([](auto& strategy, auto unit, auto sampling, auto adversary, const Verdict& verdict) {
    if (unit != ProtectedUnit::both) return;
    const auto example = compatible(strategy, ProtectedUnit::example, sampling, adversary);
    const auto client = compatible(strategy, ProtectedUnit::client, sampling, adversary);
    EXPECT_EQ(verdict.treatment, std::max(example.treatment, client.treatment)) << strategy;
    EXPECT_EQ(verdict.refused(), example.refused() || client.refused()) << strategy;
  });
}

// reference: what each strategy uploads. Written out by hand, so that a slip in the table shows.
TEST(Table, FollowsWhatStrategiesUpload) {
  const std::map<std::string, std::pair<Treatment, Treatment>> expected = {
      {"fedavg", {Treatment::allowed, Treatment::allowed}},
      {"fedavgm", {Treatment::allowed, Treatment::allowed}},
      {"fedprox", {Treatment::allowed, Treatment::allowed}},
      {"scaffold", {Treatment::allowed, Treatment::joint_clip}},
      {"fednova", {Treatment::allowed, Treatment::refused}},
      {"fedadagrad", {Treatment::allowed, Treatment::allowed}},
      {"fedadam", {Treatment::allowed, Treatment::allowed}},
      {"fedyogi", {Treatment::allowed, Treatment::allowed}},
      {"feddyn", {Treatment::allowed, Treatment::allowed}},
      {"qfedavg", {Treatment::refused, Treatment::refused}},
      {"fedbn", {Treatment::allowed, Treatment::allowed}},
      {"fedper", {Treatment::allowed, Treatment::allowed}},
      {"ditto", {Treatment::allowed, Treatment::allowed}},
      {"fedsgd", {Treatment::allowed, Treatment::allowed}},
      {"fedbuff", {Treatment::allowed, Treatment::refused}},
      {"feddf", {Treatment::allowed, Treatment::refused}},
      {"dsfl", {Treatment::allowed, Treatment::joint_clip}},
      {"fedmd", {Treatment::allowed, Treatment::joint_clip}}};
  for (const auto& [strategy, levels] : expected) {
    for (const auto sampling : kSamplings) {
      for (const auto adversary : kAdversaries)
        EXPECT_EQ(compatible(strategy, ProtectedUnit::example, sampling, adversary).treatment,
                  levels.first)
            << strategy;
      for (const auto adversary : {Adversary::every_global_model, Adversary::final_model})
        EXPECT_EQ(compatible(strategy, ProtectedUnit::client, sampling, adversary).treatment,
                  levels.second)
            << strategy;
    }
  }
  EXPECT_EQ(expected.size(), strategy_words().size());
}

// A strategy that uploads more than the update is never allowed without a joint clip.
TEST(Table, MoreThanTheUpdateIsClippedJointlyOrRefused) {
  for (const auto& strategy : {"scaffold", "fednova", "qfedavg", "feddf", "dsfl", "fedmd"})
    EXPECT_NE(compatible(strategy, ProtectedUnit::client, CohortSampling::poisson,
                         Adversary::every_global_model)
                  .treatment,
              Treatment::allowed);
}

std::vector<RobustSpec> robust_rules() {
  return {MedianAggregation{},    TrimmedMeanAggregation{}, KrumAggregation{},
          MultiKrumAggregation{}, BulyanAggregation{},      GeometricMedianAggregation{},
          NormBoundAggregation{}, FlTrustAggregation{}};
}

// Trap 28.
TEST(Aggregation, RobustRulesHaveNoSensitivityOfAMean) {
  for (const auto unit : kUnits) {
    EXPECT_FALSE(compatible(RobustSpec(MeanAggregation{}), unit).refused());
    for (const auto& rule : robust_rules()) {
      const bool expected =
          protects_clients(unit) ||
          (unit == ProtectedUnit::example && std::holds_alternative<FlTrustAggregation>(rule));
      EXPECT_EQ(compatible(rule, unit).refused(), expected) << to_string(rule) << to_string(unit);
    }
  }
}

TEST(Aggregation, RobustRulesTakeUpdatesAlone) {
  for (const auto& strategy : strategy_words()) {
    const std::set<std::string> others = {"scaffold", "fednova", "qfedavg",
                                          "feddf",    "dsfl",    "fedmd"};
    const bool more = others.contains(strategy);
    for (const auto& rule : robust_rules())
      EXPECT_EQ(compatible(strategy, rule).refused(), more) << strategy;
    EXPECT_FALSE(compatible(strategy, RobustSpec(MeanAggregation{})).refused());
  }
}

TEST(Communication, IsAllowedAndSaysWhereTheClipBelongs) {
  for (const auto unit : kUnits) {
    for (const CommunicationSpec& spec :
         std::vector<CommunicationSpec>{QuantizeCompression{}, TopKCompression{},
                                        RandomKCompression{}, Float16Compression{}}) {
      const auto verdict = compatible(spec, unit);
      EXPECT_FALSE(verdict.refused());
      EXPECT_EQ(verdict.reason.empty(), !protects_clients(unit)) << to_string(spec);
    }
  }
}

TEST(WorldRules, PoissonCohortsOfProtectedClientsAreNotCutOff) {
  const WorldSpec plain{.availability = 0.5, .dropout = 0.2};
  WorldSpec cuts[] = {plain, plain, plain};
  cuts[0].over_selection = 1.5;
  cuts[1].minimum_clients = 1;
  cuts[2].deadline = 2.0;
  for (const auto unit : kUnits) {
    for (const auto sampling : kSamplings) {
      EXPECT_FALSE(compatible(plain, unit, sampling).refused());
      for (const auto& cut : cuts)
        EXPECT_EQ(compatible(cut, unit, sampling).refused(),
                  protects_clients(unit) && sampling == CohortSampling::poisson);
    }
  }
}

TEST(Documentation, HoldsTheTableAsItIs) {
  const std::string readme = read_file(STARLING_SOURCE_DIR "/experiments/README.md");
  EXPECT_NE(readme.find(compatibility_table()), std::string::npos) << compatibility_table();
}

}  // namespace
}  // namespace starling
