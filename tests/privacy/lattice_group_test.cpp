#include "privacy/lattice_group.h"

#include <gtest/gtest.h>

#include <cmath>

#include "privacy/lattice_law.h"

namespace starling {
namespace {

constexpr double kRate = 1e-4, kSigma = 0.6, kTheta = 8.0;
constexpr double kThreshold = 0.01;  // of the loss, above which releases are hits
constexpr double kStep = 2e-3;
constexpr size_t kSize = 4096;

std::unique_ptr<Loss> loss() {
  auto loss = make_poisson_gaussian_loss({kRate, kSigma}, Direction::remove);
  loss->split(kThreshold);
  return loss;
}

// E[f(L); no hit] of one release, by Simpson's rule.
template <class Function>
double mean(const Loss& loss, const Function& f) {
  const int panels = 20000;
  const double low = loss.low(), high = loss.rare_from(), h = (high - low) / panels;
  double total = 0.0;
  for (int i = 0; i <= panels; ++i) {
    const double y = low + i * h;
    const double weight = i == 0 || i == panels ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0);
    total += weight * h / 3.0 * std::exp(loss.log_density(y)) * f(loss.loss(y));
  }
  return total;
}

// sum over the group's law, without its tilt, of f(loss).
template <class Function>
double mean(const GroupLaw& group, double offset, const Function& f) {
  double total = 0.0;
  for (size_t i = 0; i < group.mass.size(); ++i) {
    const double away = static_cast<double>(i) * kStep;
    total += group.mass[i] * std::exp(group.cumulant - kTheta * away) * f(offset + away);
  }
  return total * std::exp(-kTheta * offset);
}

TEST(LatticeGroup, KeepsTheMassesOfBothLaws) {
  const auto one = loss();
  for (double count : {300.0, 20000.0}) {
    const GroupLaw group = group_law(*one, count, kTheta, kStep, kSize, 64.0);
    ASSERT_FALSE(group.mass.empty());
    const double offset = count * one->anchor();
    const double p = mean(*one, [](double) { return 1.0; });
    const double q = mean(*one, [](double l) { return std::exp(-l); });
    const double all_p = mean(group, offset, [](double) { return 1.0; });
    const double all_q = mean(group, offset, [](double l) { return std::exp(-l); });
    EXPECT_NEAR(all_p / std::pow(p, count), 1.0, 1e-7) << count;
    EXPECT_NEAR(all_q / std::pow(q, count), 1.0, 1e-7) << count;
  }
}

// A hinge of the sum is at least what it is on a finer lattice still, and little more.
TEST(LatticeGroup, DominatesFinerGroups) {
  const auto one = loss();
  const double count = 5000.0, offset = count * one->anchor();
  const GroupLaw fine = group_law(*one, count, kTheta, kStep, kSize, 128.0);
  const GroupLaw coarse = group_law(*one, count, kTheta, kStep, kSize, 2.0);
  ASSERT_EQ(fine.steps, 128.0);
  ASSERT_EQ(coarse.steps, 2.0);
  for (double epsilon : {0.0, 0.01, 0.03}) {
    const auto hinge = [&](double l) { return l > epsilon ? -std::expm1(epsilon - l) : 0.0; };
    const double low = mean(fine, offset, hinge), high = mean(coarse, offset, hinge);
    EXPECT_LE(low, high * (1.0 + 1e-9)) << epsilon;
    EXPECT_GT(low, 0.0) << epsilon;
  }
}

// Rounded one by one, losses of about the rate spread the sum by rate * step each.
TEST(LatticeGroup, RoundsFarLessThanOneByOne) {
  const auto one = loss();
  const double count = 20000.0;
  const GroupLaw group = group_law(*one, count, kTheta, kStep, kSize, 256.0);
  const LatticeLaw single = lattice_law(*one, kTheta, kStep, kSize, true);
  ASSERT_GT(group.variance, 0.0);
  EXPECT_LT(group.variance + 0.25 * kStep * kStep, 0.02 * count * single.variance);
  EXPECT_LT(group.error, 1e-7);
}

TEST(LatticeGroup, GivesUpWhereTheSumIsTooWide) {
  EXPECT_TRUE(group_law(*loss(), 1e9, kTheta, kStep, 64, 64.0).mass.empty());
}

}  // namespace
}  // namespace starling
