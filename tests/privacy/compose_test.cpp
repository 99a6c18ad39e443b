#include "starling/privacy/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "privacy/gaussian_accountant.h"
#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kDelta = 1e-5;

LedgerEntry release(Unit unit, int64_t client, double noise_multiplier, int64_t count) {
  LedgerEntry entry;
  entry.run = "r";
  entry.unit = unit;
  entry.client = client;
  entry.relation = unit == Unit::example ? Relation::zero_out : Relation::add_remove;
  entry.event.mechanism = GaussianMechanism{noise_multiplier};
  entry.count = count;
  return entry;
}

double epsilon_of(std::vector<Event> events) {
  return GaussianAccountant().epsilon(events, Relation::zero_out, kDelta).epsilon;
}

Event gaussian(double noise_multiplier, int64_t count) {
  return Event{GaussianMechanism{noise_multiplier}, NoSampling{}, count};
}

TEST(ComposeTest, DisjointClientsGiveTheLargestEpsilonNotTheSum) {
  PrivacyLedger ledger;
  ledger.record({release(Unit::example, 0, 2.0, 1), release(Unit::example, 1, 1.0, 1),
                 release(Unit::example, 2, 2.0, 2)});
  const auto privacy = federation_privacy(ledger, GaussianAccountant(), kDelta);
  ASSERT_TRUE(privacy.example_largest);
  EXPECT_EQ(privacy.example_largest->client, 1);
  EXPECT_EQ(privacy.example_largest->bound.epsilon, epsilon_of({gaussian(1.0, 1)}));
  ASSERT_EQ(privacy.example_level.size(), 3u);
  EXPECT_EQ(privacy.example_level[2].bound.epsilon, epsilon_of({gaussian(2.0, 2)}));
  EXPECT_FALSE(privacy.client_level);
  EXPECT_FALSE(privacy.example_overlap);
}

TEST(ComposeTest, BothLevelsAreReportedApart) {
  PrivacyLedger ledger;
  ledger.record({release(Unit::example, 0, 2.0, 10), release(Unit::client, -1, 5.0, 10)});
  const auto privacy = federation_privacy(ledger, GaussianAccountant(), kDelta);
  EXPECT_EQ(privacy.example_largest->bound.epsilon, epsilon_of({gaussian(2.0, 10)}));
  EXPECT_EQ(privacy.client_level->bound.epsilon, epsilon_of({gaussian(5.0, 10)}));
  EXPECT_EQ(privacy.client_level->client, -1);
  EXPECT_EQ(privacy.client_level->relation, Relation::add_remove);
}

TEST(ComposeTest, EqualClientsAreAccountedForOnce) {
  PrivacyLedger ledger;
  for (int64_t client = 0; client < 100; ++client) {
    ledger.record(release(Unit::example, client, 2.0, 10));
  }
  const GaussianAccountant accountant;
  EXPECT_EQ(federation_privacy(ledger, accountant, kDelta).example_level.size(), 100u);
  EXPECT_EQ(accountant.evaluations, 1);
}

TEST(ComposeTest, InfiniteEpsilonOfOneClientIsTheFederations) {
  PrivacyLedger ledger;
  ledger.record({release(Unit::example, 0, 1.0, 1), release(Unit::example, 1, 0.0, 1)});
  const auto privacy = federation_privacy(ledger, GaussianAccountant(), kDelta);
  EXPECT_TRUE(std::isinf(privacy.example_largest->bound.epsilon));
}

TEST(ComposeTest, AnEmptyLedgerHasNoEpsilon) {
  const auto privacy = federation_privacy(PrivacyLedger(), GaussianAccountant(), kDelta);
  EXPECT_FALSE(privacy.example_largest);
  EXPECT_FALSE(privacy.client_level);
}

TEST(OverlapTest, APersonAtTwoClientsPaysForTheWorstTwo) {
  PrivacyLedger ledger;
  ledger.record({release(Unit::example, 0, 3.0, 1), release(Unit::example, 1, 2.0, 1),
                 release(Unit::example, 2, 4.0, 1)});
  const auto privacy = federation_privacy(ledger, GaussianAccountant(), kDelta, {2, 1});
  EXPECT_EQ(privacy.example_overlap->epsilon, epsilon_of({gaussian(2.0, 1), gaussian(3.0, 1)}));
  EXPECT_EQ(privacy.example_largest->bound.epsilon, epsilon_of({gaussian(2.0, 1)}));
}

TEST(OverlapTest, MoreClientsThanThereAreMeansAll) {
  PrivacyLedger ledger;
  ledger.record({release(Unit::example, 0, 3.0, 1), release(Unit::example, 1, 3.0, 1)});
  const auto privacy = federation_privacy(ledger, GaussianAccountant(), kDelta, {9, 1});
  EXPECT_EQ(privacy.example_overlap->epsilon, epsilon_of({gaussian(3.0, 2)}));
}

TEST(OverlapTest, ManyDifferentClientsFallBackToBasicComposition) {
  PrivacyLedger ledger;
  for (int64_t client = 0; client < 60; ++client) {
    ledger.record(release(Unit::example, client, 2.0 + 0.01 * static_cast<double>(client), 1));
  }
  const GaussianAccountant accountant;
  const auto privacy = federation_privacy(ledger, accountant, kDelta, {2, 1});
  const double one =
      accountant.epsilon(std::vector<Event>{gaussian(2.0, 1)}, Relation::zero_out, kDelta / 2)
          .epsilon;
  const double other =
      accountant.epsilon(std::vector<Event>{gaussian(2.01, 1)}, Relation::zero_out, kDelta / 2)
          .epsilon;
  EXPECT_EQ(privacy.example_overlap->epsilon, one + other);
  EXPECT_GE(privacy.example_overlap->epsilon, epsilon_of({gaussian(2.0, 1), gaussian(2.01, 1)}));
}

// m examples move an unsampled Gaussian's sum by m clips.
TEST(OverlapTest, SeveralExamplesAtOneClientTakeTheGroupBoundOfRdp) {
  PrivacyLedger ledger;
  ledger.record({release(Unit::example, 0, 30.0, 1), release(Unit::example, 1, 20.0, 1)});
  const auto rdp = make_accountant("rdp");
  const auto epsilon = [&](const std::vector<Event>& events) {
    return rdp->epsilon(events, Relation::zero_out, kDelta).epsilon;
  };
  const auto three = federation_privacy(ledger, *rdp, kDelta, {1, 3});
  EXPECT_NEAR(three.example_overlap->epsilon, epsilon({gaussian(20.0 / 3.0, 1)}), 1e-9);
  EXPECT_THAT(three.example_overlap->detail, ::testing::HasSubstr("group of 3"));
  const auto both = federation_privacy(ledger, *make_accountant("exact"), kDelta, {2, 3});
  EXPECT_NEAR(both.example_overlap->epsilon, epsilon({gaussian(10.0, 1), gaussian(20.0 / 3.0, 1)}),
              1e-9);
  EXPECT_TRUE(std::isinf(both.example_overlap->error));
  EXPECT_THROW(federation_privacy(ledger, *rdp, kDelta, {1, 0}), InputError);
  EXPECT_THROW(federation_privacy(ledger, *rdp, kDelta, {1, int64_t{1} << 40}), InputError);
}

// An accountant that fails on some noise, in whatever order clients come.
class BrokenAccountant : public GaussianAccountant {
 public:
  PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                       double delta) const override {
    for (const Event& event : events) {
      if (std::get<GaussianMechanism>(event.mechanism).noise_multiplier == 7.0)
        return {NAN, delta, 0.0, ""};
    }
    return GaussianAccountant::epsilon(events, relation, delta);
  }
};

TEST(ComposeTest, ABoundThatIsNotANumberIsSeenWhereverItStands) {
  for (int64_t broken = 0; broken < 3; ++broken) {
    PrivacyLedger ledger;
    for (int64_t client = 0; client < 3; ++client) {
      const double noise = client == broken ? 7.0 : 2.0 + static_cast<double>(client);
      ledger.record(release(Unit::example, client, noise, 1));
    }
    const auto privacy = federation_privacy(ledger, BrokenAccountant(), kDelta, {2, 1});
    EXPECT_TRUE(std::isnan(privacy.example_largest->bound.epsilon)) << broken;
    EXPECT_EQ(privacy.example_largest->client, broken);
    EXPECT_TRUE(std::isnan(privacy.example_overlap->epsilon)) << broken;
  }
}

TEST(ComposeTest, BasicCompositionDoesNotSortANotANumberAway) {
  PrivacyLedger ledger;
  for (int64_t client = 0; client < 60; ++client) {
    const double noise = client == 31 ? 7.0 : 2.0 + 0.01 * static_cast<double>(client);
    ledger.record(release(Unit::example, client, noise, 1));
  }
  const auto privacy = federation_privacy(ledger, BrokenAccountant(), kDelta, {2, 1});
  EXPECT_TRUE(std::isnan(privacy.example_overlap->epsilon));
}

TEST(OverlapTest, DifferentRelationsDoNotCompose) {
  PrivacyLedger ledger;
  LedgerEntry other = release(Unit::example, 1, 3.0, 1);
  other.relation = Relation::replace_one;
  ledger.record({release(Unit::example, 0, 3.0, 1), other});
  EXPECT_THROW(federation_privacy(ledger, GaussianAccountant(), kDelta, {2, 1}), InputError);
  EXPECT_NO_THROW(federation_privacy(ledger, GaussianAccountant(), kDelta));
}

}  // namespace
}  // namespace starling
