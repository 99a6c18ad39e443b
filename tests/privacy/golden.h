#pragma once
// tests/golden/accountant.json and the few shapes of event that its rows ask about.

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "starling/core/json.h"
#include "starling/privacy/event.h"

namespace starling {

inline const nlohmann::json& golden() {
  static const nlohmann::json value = [] {
    std::ifstream file(std::string(STARLING_SOURCE_DIR) + "/tests/golden/accountant.json");
    return nlohmann::json::parse(file);
  }();
  return value;
}
inline const nlohmann::json& golden_table(const std::string& name) {
  return golden().at("tables").at(name);
}

inline double number(const nlohmann::json& value) {
  if (value.is_string()) return value == "inf" ? kInfinity : std::nan("");
  return value.get<double>();
}

inline Event poisson_gaussian(double rate, double noise_multiplier, int64_t count) {
  return {GaussianMechanism{noise_multiplier}, PoissonSampling{rate}, count};
}
inline Event gaussian_event(double noise_multiplier, int64_t count) {
  return {GaussianMechanism{noise_multiplier}, NoSampling{}, count};
}
inline Event laplace_event(double scale, int64_t count) {
  return {LaplaceMechanism{scale}, NoSampling{}, count};
}

// Fails for not-a-number, too.
inline void expect_in(double value, double low, double high, const std::string& what) {
  EXPECT_TRUE(value >= low && value <= high)
      << what << ": " << value << " is outside [" << low << ", " << high << "]";
}
inline void expect_relative(double value, double expected, double tolerance,
                            const std::string& what) {
  expect_in(value, expected - tolerance * std::abs(expected),
            expected + tolerance * std::abs(expected), what);
}

}  // namespace starling
