#include "starling/privacy/mechanism.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "privacy/exact_sampler.h"
#include "starling/core/error.h"

namespace starling {
namespace {

RandomStream stream_of(int64_t step) {
  return RandomStream(RandomKey::from_seed(5), {Purpose::noise, 0, 0, step});
}

double normal_below(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

// P(round(N(0, s^2)) = n), from the tail on n's side so that it keeps its relative precision.
double rounded_probability(double n, double s) {
  const double m = std::abs(n);
  return normal_below(-(m - 0.5) / s) - normal_below(-(m + 0.5) / s);
}

double discrete_gaussian_probability(double n, double s) {
  double total = 1.0;
  for (double k = 1; k < 20 * s + 20; ++k) total += 2 * std::exp(-k * k / (2 * s * s));
  return std::exp(-n * n / (2 * s * s)) / total;
}

double discrete_laplace_probability(double n, double b) {
  return std::tanh(0.5 / b) * std::exp(-std::abs(n) / b);
}

// Chi-square against exact probabilities; values whose expected count is below 10 share one bin.
void expect_distribution(const std::vector<int64_t>& draws,
                         const std::function<double(double)>& probability) {
  std::map<int64_t, double> counts;
  for (const int64_t draw : draws) ++counts[draw];
  const double total = static_cast<double>(draws.size());
  double chi = 0, rest_count = total, rest_expected = total;
  int bins = 0;
  for (int64_t n = -2000; n <= 2000; ++n) {
    const double expected = total * probability(static_cast<double>(n));
    if (!(expected >= 10)) continue;
    const double count = counts.contains(n) ? counts[n] : 0;
    chi += (count - expected) * (count - expected) / expected;
    rest_count -= count;
    rest_expected -= expected;
    ++bins;
  }
  EXPECT_NEAR(rest_count, rest_expected, 5 * std::sqrt(std::max(rest_expected, 1.0)) + 2);
  EXPECT_LT(chi, bins + 5 * std::sqrt(2.0 * bins)) << bins << " bins";
}

std::vector<int64_t> rounded_normals(double s, int count, int64_t step) {
  RandomStream stream = stream_of(step);
  ExactSampler sampler(stream);
  const Dyadic steps = Dyadic::of(s, "test");
  std::vector<int64_t> draws(count);
  for (auto& draw : draws) draw = sampler.rounded_normal(steps);
  return draws;
}

TEST(RoundedNormal, MatchesExactProbabilities) {
  for (const double s : {0.02, 0.3, 1.0, 2.7, 37.5}) {
    SCOPED_TRACE(s);
    expect_distribution(rounded_normals(s, 200000, 1),
                        [s](double n) { return rounded_probability(n, s); });
  }
}

void check_large_scale(int count) {
  const double s = 0x1p37 * 1.3;
  auto draws = rounded_normals(s, count, 2);
  std::sort(draws.begin(), draws.end());
  double distance = 0, squares = 0, odd = 0;
  for (int i = 0; i < count; ++i) {
    const double z = static_cast<double>(draws[i]) / s;
    const double p = normal_below(z);
    distance = std::max({distance, (i + 1.0) / count - p, p - i / static_cast<double>(count)});
    squares += z * z;
    odd += static_cast<double>(draws[i] & 1);
  }
  EXPECT_LT(distance * std::sqrt(count), 1.95);
  EXPECT_NEAR(squares / count, 1.0, 5 * std::sqrt(2.0 / count));
  EXPECT_NEAR(odd / count, 0.5, 2.5 / std::sqrt(count));
}

TEST(RoundedNormal, PassesKolmogorovSmirnovAtTheScaleOfAGrid) { check_large_scale(200000); }
TEST(RoundedNormal, LongPassesKolmogorovSmirnovAtTheScaleOfAGrid) { check_large_scale(10000000); }

// floor(m x + 1/2) in 192 bits: the leading digits decide, the second one only through its carry.
TEST(RoundedProduct, MatchesWideArithmeticWhereDigitsRunOut) {
  using Wide = unsigned __int128;
  RandomStream stream = stream_of(3);
  ExactSampler sampler(stream);
  const uint64_t m = (uint64_t{1} << 49) + 12345677;
  int decided_late = 0;
  for (int i = 0; i < 400000; ++i) {
    const int64_t whole = stream.below(6);
    const uint64_t first = stream.next(), second = stream.next();
    const Wide low = static_cast<Wide>(m) * second;
    const Wide middle = static_cast<Wide>(m) * first + static_cast<uint64_t>(low >> 64);
    const auto exact = static_cast<int64_t>(m * static_cast<uint64_t>(whole) +
                                            static_cast<uint64_t>(middle >> 64) +
                                            (static_cast<uint64_t>(middle) >> 63));
    const Wide without = static_cast<Wide>(m) * first;
    decided_late += (static_cast<uint64_t>(without) >> 63) != (static_cast<uint64_t>(middle) >> 63);
    LazyUniform fraction({first, second});
    ASSERT_EQ(sampler.rounded_product(Dyadic{m, 0}, whole, fraction), exact);
  }
  EXPECT_GT(decided_late, 3) << "the hard case was not met";
}

TEST(Dyadic, IsExactAndRefusesWhatItCannotHold) {
  for (const double value : {0x1p-6, 0.1, 1.0, 3.0, 1e6 + 1 / 3.0, 0x1.fffffffffffffp49, 0x1p50}) {
    const Dyadic d = Dyadic::of(value, "test");
    EXPECT_EQ(std::ldexp(static_cast<double>(d.mantissa), -d.shift), value);
    EXPECT_GE(d.shift, 0);
  }
  for (const double bad : {0.0, -1.0, 0x1p-7, 0x1.1p50, std::nan(""), HUGE_VAL}) {
    EXPECT_THROW(Dyadic::of(bad, "test"), Error) << bad;
  }
}

TEST(DiscreteGaussianNoise, MatchesExactProbabilities) {
  for (const double s : {0.05, 0.5, 1.0, 2.7, 37.5}) {
    SCOPED_TRACE(s);
    RandomStream stream = stream_of(4);
    std::vector<int64_t> draws(200000, 0);
    DiscreteGaussianNoise(s / 2, 2.0).add_secure(draws, stream);
    expect_distribution(draws, [s](double n) { return discrete_gaussian_probability(n, s); });
  }
}

TEST(DiscreteGaussianNoise, ZcdpIsHalfTheSquaredRatio) {
  EXPECT_DOUBLE_EQ(DiscreteGaussianNoise(2.0, 8.0).zcdp(), 0.125);
  EXPECT_DOUBLE_EQ(DiscreteGaussianNoise(2.0, 8.0).standard_deviation(), 16.0);
}

TEST(DiscreteLaplaceNoise, MatchesExactProbabilities) {
  for (const double epsilon : {0.1, 0.5, 1.0, 3.0}) {
    SCOPED_TRACE(epsilon);
    RandomStream stream = stream_of(5);
    const DiscreteLaplaceNoise noise(2, epsilon);
    std::vector<int64_t> draws(200000, 0);
    noise.add_secure(draws, stream);
    expect_distribution(draws,
                        [&](double n) { return discrete_laplace_probability(n, noise.scale()); });
  }
}

TEST(LaplaceNoise, PassesKolmogorovSmirnovWithScaleSensitivityOverEpsilon) {
  constexpr int kCount = 300000;
  const LaplaceNoise noise(3.0, 0.5);
  EXPECT_DOUBLE_EQ(noise.scale(), 6.0);
  RandomStream stream = stream_of(6);
  std::vector<double> z(kCount, 0.0);
  noise.add_fast(z, stream);
  std::sort(z.begin(), z.end());
  double distance = 0;
  for (int i = 0; i < kCount; ++i) {
    const double tail = 0.5 * std::exp(-std::abs(z[i]) / 6.0);
    const double p = z[i] < 0 ? tail : 1 - tail;
    distance = std::max({distance, (i + 1.0) / kCount - p, p - i / double{kCount}});
  }
  EXPECT_LT(distance * std::sqrt(kCount), 1.95);
}

TEST(GaussianNoise, StandardDeviationIsMultiplierTimesClipOnEveryPath) {
  constexpr int kCount = 100000;
  const GaussianNoise noise(1.5, 0.2);
  EXPECT_DOUBLE_EQ(noise.standard_deviation(), 0.3);
  std::vector<float> floats(kCount, 0.0f);
  std::vector<std::vector<double>> released(4, std::vector<double>(kCount, 0.0));
  RandomStream stream = stream_of(7);
  noise.add_fast(std::span<float>(floats), stream);
  std::copy(floats.begin(), floats.end(), released[0].begin());
  noise.add_fast(std::span<double>(released[1]), stream);
  GridSum fast(choose_grid({0.2, 10, 0.3}), kCount), secure = fast;
  noise.add_fast(fast, stream);
  noise.add_secure(secure, stream);
  fast.decode(std::span<double>(released[2]));
  secure.decode(std::span<double>(released[3]));
  for (const auto& values : released) {
    double sum = 0, squares = 0;
    for (const double v : values) {
      sum += v;
      squares += v * v;
    }
    EXPECT_NEAR(sum / kCount, 0, 5 * 0.3 / std::sqrt(kCount));
    EXPECT_NEAR(squares / kCount / 0.09, 1, 5 * std::sqrt(2.0 / kCount));
  }
}

TEST(GaussianNoise, GridNoiseIsAddedToTheSum) {
  const Grid grid = choose_grid({1.0, 10, 0.5});
  GridSum sum(grid, 3), empty(grid, 3);
  sum.add(std::vector<int64_t>{grid.radius, 0, 0});
  RandomStream a = stream_of(8), b = stream_of(8);
  GaussianNoise(0.5, 1.0).add_secure(sum, a);
  GaussianNoise(0.5, 1.0).add_secure(empty, b);
  EXPECT_EQ(sum.values()[0], empty.values()[0] + grid.radius);
  EXPECT_EQ(sum.values()[1], empty.values()[1]);
}

TEST(RandomizedResponse, TellsTheTruthWithItsProbability) {
  constexpr int kCount = 200000;
  const RandomizedResponse response(0.4, 5);
  RandomStream stream = stream_of(9);
  std::vector<int64_t> counts(5);
  for (int i = 0; i < kCount; ++i) ++counts[response.respond(2, stream)];
  double chi = 0;
  for (int c = 0; c < 5; ++c) {
    const double expected = kCount * (c == 2 ? 0.4 : 0.15);
    chi += std::pow(static_cast<double>(counts[c]) - expected, 2) / expected;
  }
  EXPECT_LT(chi, 23.5);  // 4 degrees of freedom, one in ten thousand
  const auto estimates = response.estimate(counts);
  EXPECT_NEAR(estimates[2], kCount, 5 * std::sqrt(kCount * 0.24) / 0.25);
  EXPECT_NEAR(estimates[0], 0, 5 * std::sqrt(kCount * 0.1275) / 0.25);
}

TEST(RandomizedResponse, EpsilonNeverPassesTheOneAskedFor) {
  for (const double epsilon : {1e-6, 0.1, 1.0, 5.0, 30.0}) {
    for (const int64_t categories : {2, 3, 100}) {
      const auto response = RandomizedResponse::from_epsilon(epsilon, categories);
      EXPECT_LE(response.epsilon(), epsilon);
      EXPECT_NEAR(response.epsilon() / epsilon, 1.0, 0.02);
    }
  }
  EXPECT_NEAR(RandomizedResponse(0.75, 2).epsilon(), std::log(3.0), 1e-15);
  EXPECT_NEAR(RandomizedResponse(0.25, 2).epsilon(), std::log(3.0), 1e-15);
}

// Which event a mechanism is accounted as must follow from the same numbers as its noise.
TEST(Mechanisms, EventsStateTheNoiseThatIsAdded) {
  const auto gaussian = std::get<GaussianMechanism>(GaussianNoise(1.5, 0.2).event().mechanism);
  EXPECT_DOUBLE_EQ(gaussian.noise_multiplier, 1.5);
  const auto discrete =
      std::get<DiscreteGaussianMechanism>(DiscreteGaussianNoise(1.5, 4).event().mechanism);
  EXPECT_DOUBLE_EQ(discrete.noise_multiplier, 1.5);
  const auto laplace = std::get<LaplaceMechanism>(LaplaceNoise(3, 0.5).event().mechanism);
  EXPECT_DOUBLE_EQ(laplace.scale, 2.0);
  const auto response =
      std::get<RandomizedResponseMechanism>(RandomizedResponse(0.4, 5).event().mechanism);
  EXPECT_DOUBLE_EQ(response.probability, 0.4);
  EXPECT_EQ(response.categories, 5);
}

// The total variation between neighbours at distance 1 is tanh(epsilon / 2), more than the
// continuous Laplace's 1 - exp(-epsilon / 2): the event must cover it.
TEST(DiscreteLaplaceNoise, EventCoversItsTotalVariation) {
  for (const double epsilon : {0.1, 1.0, 4.0}) {
    const DiscreteLaplaceNoise noise(1, epsilon);
    double variation = 0;
    for (int n = -2000; n <= 2001; ++n) {
      variation += 0.5 * std::abs(discrete_laplace_probability(n, noise.scale()) -
                                  discrete_laplace_probability(n - 1, noise.scale()));
    }
    const auto event = std::get<RandomizedResponseMechanism>(noise.event().mechanism);
    EXPECT_NEAR(2 * event.probability - 1, variation, 1e-12);
    EXPECT_GT(variation, 1 - std::exp(-epsilon / 2));
  }
}

TEST(Mechanisms, FailClosedOnScalesThatAreNotPositiveAndFinite) {
  for (const double bad : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_THROW(GaussianNoise(bad, 1), Error);
    EXPECT_THROW(GaussianNoise(1, bad), Error);
    EXPECT_THROW(DiscreteGaussianNoise(bad, 1), Error);
    EXPECT_THROW(DiscreteGaussianNoise(1, bad), Error);
    EXPECT_THROW(LaplaceNoise(bad, 1), Error);
    EXPECT_THROW(LaplaceNoise(1, bad), Error);
    EXPECT_THROW(DiscreteLaplaceNoise(1, bad), Error);
    EXPECT_THROW(RandomizedResponse(bad, 2), Error);
    EXPECT_THROW(RandomizedResponse::from_epsilon(bad, 2), Error);
  }
  EXPECT_THROW(GaussianNoise(1e-200, 1e-200), Error);
  EXPECT_THROW(LaplaceNoise(1e300, 1e-300), Error);
  EXPECT_THROW(DiscreteLaplaceNoise(0, 1), Error);
  EXPECT_THROW(RandomizedResponse(1.0, 2), Error);
  EXPECT_THROW(RandomizedResponse(0.5, 1), Error);
  EXPECT_THROW(RandomizedResponse(0.5, 2).estimate(std::vector<int64_t>{1, 2}), Error);
  RandomStream stream = stream_of(10);
  EXPECT_THROW(RandomizedResponse(0.5, 2).respond(2, stream), Error);
  std::vector<int64_t> full = {std::numeric_limits<int64_t>::max(),
                               std::numeric_limits<int64_t>::min()};
  EXPECT_THROW(for (int i = 0; i < 100; ++i) DiscreteGaussianNoise(9, 1).add_secure(full, stream),
               Error);
}

}  // namespace
}  // namespace starling
