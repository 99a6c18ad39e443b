// Robust rules against brute force, written from the papers without the library.

#include "starling/federated/robust.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>

#include "starling/core/error.h"
#include "starling/core/random.h"

namespace starling {
namespace {

constexpr double kTolerance = 1e-12;

using Vector = std::vector<double>;
using Updates = std::vector<Vector>;

Vector run(const RobustSpec& spec, const Updates& updates, const Vector& trusted = {}) {
  std::vector<std::span<const double>> spans(updates.begin(), updates.end());
  return aggregate(spec, spans, trusted);
}

Updates random_updates(size_t count, size_t size, uint64_t seed) {
  RandomStream stream(RandomKey::from_seed(seed), {Purpose::probe});
  Updates updates(count, Vector(size));
  for (auto& update : updates)
    for (double& value : update) value = stream.normal();
  return updates;
}

void expect_same(const Vector& got, const Vector& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(got[i] - expected[i]) <= kTolerance)) ADD_FAILURE() << i << ": " << got[i];
}

double distance2(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::pow(a[i] - b[i], 2);
  return sum;
}

Vector mean(const Updates& updates) {
  Vector sum(updates[0].size(), 0);
  for (const auto& u : updates)
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += u[i] / static_cast<double>(updates.size());
  return sum;
}

TEST(Mean, IsTheMean) {
  const auto updates = random_updates(7, 5, 1);
  expect_same(run(MeanAggregation{}, updates), mean(updates));
}

TEST(Median, HasAsManyBelowAsAbove) {
  EXPECT_EQ(run(MedianAggregation{}, {{3, 1}, {1, 2}, {100, -50}}), (Vector{3, 1}));
  EXPECT_EQ(run(MedianAggregation{}, {{1, 9}, {4, 0}, {2, 3}, {1000, 4}}), (Vector{3, 3.5}));
  const auto updates = random_updates(9, 20, 2);
  const Vector median = run(MedianAggregation{}, updates);
  for (size_t i = 0; i < 20; ++i) {
    const auto below = std::ranges::count_if(updates, [&](auto& u) { return u[i] < median[i]; });
    const auto above = std::ranges::count_if(updates, [&](auto& u) { return u[i] > median[i]; });
    EXPECT_EQ(below, 4);
    EXPECT_EQ(above, 4);
  }
}

TEST(TrimmedMean, LeavesOutTheExtremesOfEachCoordinate) {
  // floor(0.25 * 5) = 1 at either end.
  EXPECT_EQ(run(TrimmedMeanAggregation{.beta = 0.25}, {{1, 9}, {2, 8}, {3, 7}, {6, 0}, {99, -99}}),
            (Vector{11.0 / 3.0, 5.0}));
  const auto updates = random_updates(6, 4, 3);
  expect_same(run(TrimmedMeanAggregation{.beta = 0.0}, updates), mean(updates));
  // 0.49 * 6 cuts 2 at either end: the median of an even number.
  expect_same(run(TrimmedMeanAggregation{.beta = 0.49}, updates),
              run(MedianAggregation{}, updates));
}

// Sum over every choice of `neighbours` others, the least one.
double krum_score(const Updates& updates, size_t who, size_t neighbours) {
  double best = std::numeric_limits<double>::infinity();
  for (uint32_t mask = 0; mask < 1u << updates.size(); ++mask) {
    if (mask >> who & 1 || static_cast<size_t>(std::popcount(mask)) != neighbours) continue;
    double sum = 0;
    for (size_t k = 0; k < updates.size(); ++k)
      if (mask >> k & 1) sum += distance2(updates[who], updates[k]);
    best = std::min(best, sum);
  }
  return best;
}

size_t krum_choice(const Updates& updates, size_t neighbours) {
  size_t best = 0;
  for (size_t k = 1; k < updates.size(); ++k)
    if (krum_score(updates, k, neighbours) < krum_score(updates, best, neighbours)) best = k;
  return best;
}

TEST(Krum, MatchesBruteForce) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const size_t n = 5 + seed % 5, f = (n - 3) / 2;
    const auto updates = random_updates(n, 3, 100 + seed);
    expect_same(run(KrumAggregation{.malicious_clients = static_cast<int64_t>(f)}, updates),
                updates[krum_choice(updates, n - f - 2)]);
  }
}

TEST(Krum, IgnoresAFarAwayMinority) {
  Updates updates = random_updates(7, 4, 5);
  for (double& value : updates[2]) value += 1000;
  for (double& value : updates[6]) value += 1000;
  const Vector chosen = run(KrumAggregation{.malicious_clients = 2}, updates);
  EXPECT_NE(chosen, updates[2]);
  EXPECT_NE(chosen, updates[6]);
  EXPECT_NE(std::ranges::find(updates, chosen), updates.end());
}

TEST(MultiKrum, IsTheMeanOfTheBestScores) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const size_t n = 8, f = 2, keep = 3;
    const auto updates = random_updates(n, 3, 200 + seed);
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::sort(order, {}, [&](size_t k) { return krum_score(updates, k, n - f - 2); });
    Updates best;
    for (size_t k = 0; k < keep; ++k) best.push_back(updates[order[k]]);
    expect_same(run(MultiKrumAggregation{.malicious_clients = f, .clients_to_keep = keep}, updates),
                mean(best));
  }
}

// The mean of the `keep` of `values` nearest their median: over all subsets, the one with the least
// sum of distances.
double nearest_mean(const Vector& values, size_t keep) {
  Vector sorted = values;
  std::ranges::sort(sorted);
  const size_t half = sorted.size() / 2;
  const double median = sorted.size() % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  double best = std::numeric_limits<double>::infinity(), result = 0;
  for (uint32_t mask = 0; mask < 1u << values.size(); ++mask) {
    if (static_cast<size_t>(std::popcount(mask)) != keep) continue;
    double cost = 0, sum = 0;
    for (size_t k = 0; k < values.size(); ++k)
      if (mask >> k & 1) cost += std::abs(values[k] - median), sum += values[k];
    if (cost < best - 1e-12) best = cost, result = sum / static_cast<double>(keep);
  }
  return result;
}

TEST(Bulyan, MatchesBruteForce) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const size_t f = 1 + seed % 2, n = 4 * f + 3 + seed % 2;
    Updates left = random_updates(n, 3, 300 + seed), chosen;
    const Updates updates = left;
    while (chosen.size() < n - 2 * f) {
      const size_t neighbours = left.size() > f + 3 ? left.size() - f - 2 : 1;
      const size_t best = krum_choice(left, std::min(neighbours, left.size() - 1));
      chosen.push_back(left[best]);
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
    }
    Vector expected;
    for (size_t i = 0; i < 3; ++i) {
      Vector column;
      for (const auto& u : chosen) column.push_back(u[i]);
      expected.push_back(nearest_mean(column, n - 4 * f));
    }
    expect_same(run(BulyanAggregation{.malicious_clients = static_cast<int64_t>(f)}, updates),
                expected);
  }
}

TEST(GeometricMedian, MinimisesTheSumOfDistances) {
  const auto updates = random_updates(9, 4, 6);
  const auto cost = [&](const Vector& z) {
    double sum = 0;
    for (const auto& u : updates) sum += std::sqrt(distance2(u, z));
    return sum;
  };
  const Vector centre = run(GeometricMedianAggregation{.iterations = 2000}, updates);
  const double least = cost(centre);
  for (size_t i = 0; i < 4; ++i) {
    for (const double step : {-1e-3, 1e-3}) {
      Vector moved = centre;
      moved[i] += step;
      EXPECT_GT(cost(moved), least);
    }
  }
  EXPECT_LT(least, cost(mean(updates)));
}

// One step from the mean (2, 0) of (0,0), (0,0), (6,0): weights 1/2, 1/2, 1/4.
TEST(GeometricMedian, OneStepByHand) {
  expect_same(run(GeometricMedianAggregation{.iterations = 1}, {{0, 0}, {0, 0}, {6, 0}}),
              {6 * 0.25 / 1.25, 0});
}

TEST(GeometricMedian, StandsOnAPointThatMostShare) {
  const Vector centre =
      run(GeometricMedianAggregation{.iterations = 200}, {{1, 1}, {1, 1}, {1, 1}, {500, -9}});
  EXPECT_NEAR(centre[0], 1, 1e-5);
  EXPECT_NEAR(centre[1], 1, 1e-5);
}

TEST(NormBound, ScalesLongUpdatesOnly) {
  // (3, 4) has norm 5 and is scaled to 2; (0, 1) stays.
  expect_same(run(NormBoundAggregation{.bound = 2}, {{3, 4}, {0, 1}}), {0.6, 1.3});
  const auto updates = random_updates(5, 3, 7);
  expect_same(run(NormBoundAggregation{.bound = 1e9}, updates), mean(updates));
}

TEST(FlTrust, WeighsByCosineAndScalesToTheServersNorm) {
  // The server's update is (2, 0). Cosines: 1, 0 (dropped), -1 (dropped), sqrt(1/2).
  const double half = std::sqrt(0.5);
  const Vector got = run(FlTrustAggregation{}, {{10, 0}, {0, 3}, {-4, 0}, {1, 1}}, {2, 0});
  expect_same(got, {(1 * 2 + half * 2 * half) / (1 + half), half * 2 * half / (1 + half)});
}

TEST(FlTrust, IsZeroWhereNobodyIsTrusted) {
  EXPECT_EQ(run(FlTrustAggregation{}, {{-1, 0}, {-2, 0}}, {1, 0}), (Vector{0, 0}));
  EXPECT_EQ(run(FlTrustAggregation{}, {{0, 0}}, {1, 0}), (Vector{0, 0}));
  EXPECT_EQ(run(FlTrustAggregation{}, {{1, 0}}, {0, 0}), (Vector{0, 0}));
}

std::vector<RobustSpec> every_rule() {
  return {MeanAggregation{},
          MedianAggregation{},
          TrimmedMeanAggregation{},
          KrumAggregation{2},
          MultiKrumAggregation{2, 3},
          BulyanAggregation{2},
          GeometricMedianAggregation{},
          NormBoundAggregation{},
          FlTrustAggregation{}};
}

TEST(EveryRule, OfEqualUpdatesIsThatUpdate) {
  const Vector update = {0.25, -0.5, 0.125};
  for (const auto& rule : every_rule()) expect_same(run(rule, Updates(11, update), update), update);
}

TEST(EveryRule, MovesWithAChangeOfSign) {
  const auto updates = random_updates(11, 6, 8);
  Updates turned = updates;
  for (auto& u : turned)
    for (double& value : u) value = -value;
  Vector trusted = updates[0], turned_trusted = turned[0];
  for (const auto& rule : every_rule()) {
    Vector got = run(rule, turned, turned_trusted);
    for (double& value : got) value = -value;
    expect_same(got, run(rule, updates, trusted));
  }
}

// Rules that promise to: f of 4 f + 3 clients at 10^6 leave the result among the honest ones.
TEST(EveryRobustRule, StaysNearTheHonestClients) {
  const size_t f = 2, n = 4 * f + 3;
  Updates updates = random_updates(n, 5, 9);
  for (size_t k = 0; k < f; ++k)
    for (double& value : updates[3 * k + 1]) value = 1e6;
  for (const RobustSpec& rule : std::vector<RobustSpec>{
           MedianAggregation{}, TrimmedMeanAggregation{.beta = 0.2}, KrumAggregation{2},
           MultiKrumAggregation{2, 5}, BulyanAggregation{2},
           GeometricMedianAggregation{.iterations = 200}, NormBoundAggregation{.bound = 5}}) {
    for (const double value : run(rule, updates)) EXPECT_LT(std::abs(value), 5) << to_string(rule);
  }
  EXPECT_GT(run(MeanAggregation{}, updates)[0], 1e5);
}

TEST(EveryRule, RefusesFewerUpdatesThanItIsDefinedFor) {
  const std::pair<RobustSpec, size_t> minima[] = {
      {KrumAggregation{2}, 7},    {MultiKrumAggregation{1, 1}, 5}, {MultiKrumAggregation{1, 6}, 9},
      {BulyanAggregation{2}, 11}, {MedianAggregation{}, 1},        {MeanAggregation{}, 1}};
  for (const auto& [rule, minimum] : minima) {
    EXPECT_EQ(minimum_updates(rule), static_cast<int64_t>(minimum)) << to_string(rule);
    EXPECT_NO_THROW(run(rule, random_updates(minimum, 2, 1)));
    EXPECT_THROW(run(rule, random_updates(minimum - 1, 2, 1)), Error) << to_string(rule);
  }
}

TEST(EveryRule, RefusesSizesThatDiffer) {
  EXPECT_THROW(run(MedianAggregation{}, {{1, 2}, {1}}), Error);
  EXPECT_THROW(run(FlTrustAggregation{}, {{1, 2}}, {1}), Error);
  EXPECT_THROW(run(FlTrustAggregation{}, {{1, 2}}), Error);
}

}  // namespace
}  // namespace starling
