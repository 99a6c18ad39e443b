// Looks for evidence against the promised epsilon and delta in a million releases of the clipped
// noised sum on neighbouring data, as google/differential-privacy's stochastic tester does; and for
// outputs that only one of two data sets can give (Mironov 2012; Haney et al. 2022). Mechanisms
// with a fault must be found out, or the tests would show nothing.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <vector>

#include "starling/core/grid.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/mechanism.h"

namespace starling {
namespace {

constexpr int64_t kReleases = 1'000'000;
constexpr double kClip = 1.0;
constexpr double kSigma = 1.0;
constexpr double kDeviations = 6.0;  // one side of a normal: 1e-9 for each of about 500 events

using Records = std::vector<double>;  // one number each
const Records kData = {-100.0, 0.25};
const Records kNeighbour = {-100.0, 0.25, 200.0};

Grid grid() { return choose_grid({kClip, 100, 10 * kSigma * kClip}); }

int64_t clipped(double record) {
  int64_t steps = 0;
  clip_to_grid(grid(), std::span<const double>(&record, 1), std::span(&steps, 1));
  return steps;
}

// The sum of the records, in grid steps.
int64_t clipped_sum(const Records& records) {
  int64_t sum = 0;
  for (const double record : records) sum += clipped(record);
  return sum;
}

int64_t clipped_after_the_sum(const Records& records) {
  double sum = 0.0;
  for (const double record : records) sum += record;
  return clipped(sum);
}

// A million releases of `sum`, each with noise of its own.
std::vector<double> releases(int64_t sum, double sigma, uint64_t seed) {
  GridSum sums(grid(), kReleases);
  std::ranges::fill(sums.mutable_values(), sum);
  RandomStream stream(RandomKey::from_seed(seed), {Purpose::noise, 0, 0, 0});
  GaussianNoise(sigma, kClip).add_secure(sums, stream);
  std::vector<double> values(kReleases);
  sums.decode(std::span(values));
  std::ranges::sort(values);
  return values;
}

// Of P - e^epsilon Q - delta over all half-lines in both directions, the largest in standard
// deviations of its estimate: beyond kDeviations the promise is broken.
double evidence(const std::vector<double>& a, const std::vector<double>& b, double epsilon,
                double delta) {
  const auto below = [](const std::vector<double>& values, double t) {
    return static_cast<double>(std::ranges::lower_bound(values, t) - values.begin()) / kReleases;
  };
  const double factor = std::exp(epsilon);
  double most = -INFINITY;
  const auto test = [&](double p, double q) {
    const double variance = (p * (1 - p) + factor * factor * q * (1 - q)) / kReleases;
    most = std::max(most, (p - factor * q - delta) / std::sqrt(variance + 1e-12));
  };
  for (double t = -8.0; t <= 8.0; t += 0.125) {
    const double p = below(a, t), q = below(b, t);
    test(p, q);
    test(q, p);
    test(1 - p, 1 - q);
    test(1 - q, 1 - p);
  }
  return most;
}

double promised_delta(double epsilon) {
  const Event event = GaussianNoise(kSigma, kClip).event();
  return make_accountant("exact")->delta({&event, 1}, Relation::add_remove, epsilon).delta;
}

double most_evidence(const std::vector<double>& a, const std::vector<double>& b) {
  double most = -INFINITY;
  for (const double epsilon : {0.0, 0.5, 1.0, 2.0, 3.0})
    most = std::max(most, evidence(a, b, epsilon, promised_delta(epsilon)));
  return most;
}

TEST(Stochastic, stochastic_tester_FindsNothingAgainstTheMechanism) {
  EXPECT_LT(most_evidence(releases(clipped_sum(kData), kSigma, 1),
                          releases(clipped_sum(kNeighbour), kSigma, 2)),
            kDeviations);
}

TEST(Stochastic, stochastic_tester_FindsEveryFault) {
  const auto a = releases(clipped_sum(kData), 0.8 * kSigma, 1);
  EXPECT_GT(most_evidence(a, releases(clipped_sum(kNeighbour), 0.8 * kSigma, 2)), kDeviations)
      << "noise times 0.8";
  EXPECT_GT(most_evidence(releases(clipped_after_the_sum(kData), kSigma, 1),
                          releases(clipped_after_the_sum(kNeighbour), kSigma, 2)),
            kDeviations)
      << "clip after the sum";
  EXPECT_GT(most_evidence(releases(clipped_sum(kData), kSigma, 1),
                          releases(clipped_sum(kNeighbour) + clipped(1.0), kSigma, 2)),
            kDeviations)
      << "a record counted twice";
}

std::vector<double> fast_releases(double value, uint64_t seed) {
  std::vector<double> values(kReleases, value);
  RandomStream stream(RandomKey::from_seed(seed), {Purpose::noise, 0, 0, 0});
  GaussianNoise(kSigma, kClip).add_fast(std::span(values), stream);
  return values;
}

// How many values are no multiple of `spacing`: outputs that tell where they come from.
int64_t off_grid(const std::vector<double>& values, double spacing) {
  return std::ranges::count_if(
      values, [&](double value) { return value / spacing != std::nearbyint(value / spacing); });
}

// Whatever the sum, releases are multiples of one step, and any step can be reached from any sum.
TEST(Stochastic, float_lsb_mironov_NoOutputTellsZeroFromOne) {
  for (const double sum : {0.0, 1.0, 1.0 / 3})
    EXPECT_EQ(off_grid(releases(clipped(sum), kSigma, 3), grid().spacing()), 0) << sum;
  // Floating point noise on 1.5 2^20 never gives what it gives on 0, and the test sees that.
  const double coarse = std::ldexp(1.0, 20 - 52);
  EXPECT_EQ(off_grid(fast_releases(std::ldexp(1.5, 20), 3), coarse), 0);
  EXPECT_GT(off_grid(fast_releases(0.0, 3), coarse), kReleases / 2);
}

// Chi-square between the trailing zero bits of two samples, in standard deviations.
double apart(const std::vector<double>& a, const std::vector<double>& b) {
  std::map<int, std::pair<double, double>> counts;
  const auto zeros = [](double value) {
    const auto steps = static_cast<int64_t>(value / grid().spacing());
    return std::min(std::countr_zero(static_cast<uint64_t>(steps)), 12);
  };
  for (const double value : a) ++counts[zeros(value)].first;
  for (const double value : b) ++counts[zeros(value)].second;
  double chi = 0.0;
  for (const auto& [bits, count] : counts)
    chi += std::pow(count.first - count.second, 2) / (count.first + count.second);
  const auto freedom = static_cast<double>(counts.size() - 1);
  return (chi - freedom) / std::sqrt(2 * freedom);
}

TEST(Stochastic, precision_attack_TrailingZerosDoNotTellTheSum) {
  EXPECT_LT(apart(releases(0, kSigma, 4), releases(clipped(1.0), kSigma, 5)), kDeviations);
  // Noise rounded to eight steps, as the floats around a large value are.
  auto coarse = releases(0, kSigma, 4);
  for (double& value : coarse)
    value = 8 * grid().spacing() * std::nearbyint(value / (8 * grid().spacing()));
  EXPECT_GT(apart(coarse, releases(clipped(1.0), kSigma, 5)), kDeviations);
}

}  // namespace
}  // namespace starling
