#include "privacy/fft.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

namespace starling {
namespace {

std::vector<double> random_values(size_t size) {
  std::mt19937_64 random(size);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  std::vector<double> values(size);
  for (double& value : values) value = uniform(random);
  return values;
}

TEST(Fft, MatchesTheDefinition) {
  // Longer ones before shorter ones too: they share a table of roots.
  for (size_t size : {2, 64, 4, 8, 16, 256}) {
    const std::vector<double> x = random_values(size);
    const auto spectrum = real_fft(x);
    ASSERT_EQ(spectrum.size(), size / 2 + 1);
    for (size_t j = 0; j < spectrum.size(); ++j) {
      std::complex<double> sum = 0.0;
      for (size_t n = 0; n < size; ++n) {
        const double turns = static_cast<double>(j * n % size) / static_cast<double>(size);
        sum += x[n] * std::polar(1.0, -2.0 * std::numbers::pi * turns);
      }
      EXPECT_LT(std::abs(spectrum[j] - sum), 1e-13) << size << " " << j;
    }
  }
}

// The lattice counts 2.3e-16 log2(size) of the values' root mean square for a transform and back.
TEST(Fft, InvertsWithinTheRoundingThatTheLatticeCounts) {
  for (size_t size : {size_t{4096}, size_t{1} << 18}) {
    const std::vector<double> x = random_values(size);
    const std::vector<double> back = inverse_real_fft(real_fft(x));
    ASSERT_EQ(back.size(), size);
    double square = 0.0;
    for (size_t n = 0; n < size; ++n) square += (x[n] - back[n]) * (x[n] - back[n]);
    const double error = std::sqrt(square / static_cast<double>(size));
    EXPECT_LT(error, 2.3e-16 * std::log2(static_cast<double>(size))) << size;
    EXPECT_GT(error, 0.0) << size;
  }
}

}  // namespace
}  // namespace starling
