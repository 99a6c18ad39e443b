// Oracles: tests/golden/calibration.json, made by calibration.py from an independent computation.

#include <gtest/gtest.h>

#include <cmath>

#include "starling/core/json.h"
#include "starling/privacy/calibrate.h"
#include "starling/privacy/compose.h"

namespace starling {
namespace {

constexpr double kRdpTolerance = 1e-4;  // the oracle's rdp searches other orders between ours
constexpr double kStepsShare = 0.997;   // of the largest number of steps that is private
constexpr double kAboveExact = 1e-3;    // accept bands of epsilon: 0.1 %, at least 2e-3

Json golden(const std::string& table) {
  return read_json(STARLING_SOURCE_DIR "/tests/golden/calibration.json")[table];
}

Composition training(double rate, double noise_multiplier, int64_t steps) {
  return {Relation::add_remove,
          {Event{GaussianMechanism{noise_multiplier}, PoissonSampling{rate}, steps}}};
}

PrivacyTarget target_of(const Json& row) {
  return {row["epsilon"].get<double>(), row["delta"].get<double>()};
}

TEST(CalibrateGoldenTest, NoiseLiesInTheOraclesBand) {
  for (const std::string name : {"exact", "rdp"}) {
    const auto accountant = make_accountant(name);
    for (const Json& row : golden("noise")) {
      const double rate = row["rate"].get<double>();
      const int64_t steps = row["steps"].get<int64_t>();
      const double noise =
          calibrate_noise_multiplier(*accountant, target_of(row), training(rate, 1.0, steps));
      EXPECT_GE(noise, row["accept_" + name][0].get<double>()) << name << row.dump();
      EXPECT_LE(noise, row["accept_" + name][1].get<double>()) << name << row.dump();
      EXPECT_TRUE(satisfies(*accountant, training(rate, noise, steps), target_of(row)));
    }
  }
}

TEST(CalibrateGoldenTest, StepsNeverPassTheLargestPrivateNumber) {
  const auto exact = make_accountant("exact");
  const auto rdp = make_accountant("rdp");
  for (const Json& row : golden("steps")) {
    const auto of = [&](int64_t steps) {
      return training(row["rate"].get<double>(), row["noise_multiplier"].get<double>(), steps);
    };
    const int64_t by_exact = calibrate_steps(*exact, target_of(row), of);
    const int64_t by_rdp = calibrate_steps(*rdp, target_of(row), of);
    EXPECT_EQ(by_rdp, row["rdp"].get<int64_t>()) << row.dump();
    EXPECT_GE(by_exact, by_rdp) << row.dump();
    if (row["exact"].is_null()) continue;
    EXPECT_LE(by_exact, row["exact"].get<int64_t>()) << row.dump();
    EXPECT_GE(static_cast<double>(by_exact), kStepsShare * row["exact"].get<double>() - 1.0)
        << row.dump();
  }
}

TEST(ComposeGoldenTest, FederationsSpendWhatTheirWorstClientSpends) {
  const auto exact = make_accountant("exact");
  const auto rdp = make_accountant("rdp");
  for (const Json& row : golden("federations")) {
    PrivacyLedger ledger;
    int64_t client = 0;
    for (const Json& plan : row["clients"]) {
      LedgerEntry entry;
      entry.run = row["name"].get<std::string>();
      entry.client = client++;
      entry.relation = Relation::add_remove;
      entry.event = Event{GaussianMechanism{plan["noise_multiplier"].get<double>()},
                          PoissonSampling{plan["rate"].get<double>()}, 1};
      entry.count = plan["steps"].get<int64_t>();
      ledger.record(entry);
    }
    const double delta = row["delta"].get<double>();
    const auto spent = federation_privacy(ledger, *exact, delta);
    for (const ClientBound& bound : spent.example_level) {
      const Json& accept = row["clients"][bound.client]["accept_exact"];
      if (accept.is_null()) continue;
      EXPECT_GE(bound.bound.epsilon, accept[0].get<double>()) << row["name"] << bound.client;
      EXPECT_LE(bound.bound.epsilon, accept[1].get<double>()) << row["name"] << bound.client;
    }
    const double largest = row["largest_exact"].get<double>();
    EXPECT_NEAR(spent.example_largest->bound.epsilon, largest,
                std::max(2e-3, kAboveExact * largest));
    const double by_rdp = federation_privacy(ledger, *rdp, delta).example_largest->bound.epsilon;
    EXPECT_NEAR(by_rdp, row["largest_rdp"].get<double>(), kRdpTolerance * by_rdp);
  }
}

}  // namespace
}  // namespace starling
