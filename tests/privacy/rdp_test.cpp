#include "starling/privacy/rdp.h"

#include <cmath>
#include <random>

#include "golden.h"
#include "starling/core/error.h"

namespace starling {
namespace {

TEST(Rdp, DefaultOrdersAreTheReferences) {
  EXPECT_EQ(default_rdp_orders(), golden().at("orders").get<std::vector<double>>());
}

TEST(Rdp, MatchesFortyDigits_PoissonGaussian) {
  for (const auto& row : golden_table("rdp")) {
    const std::vector<double> orders = row.at("orders");
    const Event event = poisson_gaussian(row.at("q"), row.at("sigma"), 1);
    const std::vector<double> rdp = rdp_curve({&event, 1}, Relation::add_remove, orders);
    for (size_t i = 0; i < orders.size(); ++i) {
      const double gold = number(row.at("rdp")[i]);
      expect_in(rdp[i], gold, gold + 1e-8 * gold + 2e-14, "order " + std::to_string(orders[i]));
    }
  }
}

TEST(Rdp, InsideTheReferenceBand_PoissonGaussian) {
  const auto rdp = make_accountant("rdp");
  for (const auto& row : golden_table("points")) {
    if (!row.contains("rdp")) continue;
    const Event event = poisson_gaussian(row.at("q"), row.at("sigma"), row.at("count"));
    const double delta = row.at("delta");
    expect_in(rdp->epsilon({&event, 1}, Relation::add_remove, delta).epsilon, row.at("rdp")[0],
              row.at("rdp")[1], row.dump());
    expect_relative(rdp->delta({&event, 1}, Relation::zero_out, row.at("epsilon")).delta,
                    row.at("rdp_delta"), 1e-6, row.dump());
  }
}

TEST(Rdp, MatchesReference_WithoutReplacement) {
  for (const auto& row : golden_table("without_replacement")) {
    const std::vector<double> orders = row.at("orders");
    const Event event{GaussianMechanism{2.0 * row.at("sigma").get<double>()},
                      WithoutReplacement{row.at("batch"), row.at("examples")}, 1};
    const std::vector<double> rdp = rdp_curve({&event, 1}, Relation::replace_one, orders);
    for (size_t i = 0; i < orders.size(); ++i) {
      const double gold = row.at("rdp")[i], other = row.at("rdp_other")[i];
      if (std::abs(row.at("difference")[i].get<double>()) < 1e-6) {
        expect_relative(rdp[i], gold, 1e-6, row.dump());
      } else {
        expect_in(rdp[i], gold, other, row.dump());
      }
    }
  }
}

TEST(Rdp, MatchesReference_WithoutReplacementEpsilon) {
  const auto rdp = make_accountant("rdp");
  for (const auto& row : golden_table("without_replacement_epsilon")) {
    const Event event{GaussianMechanism{2.0 * row.at("sigma").get<double>()},
                      WithoutReplacement{row.at("batch"), row.at("examples")}, row.at("count")};
    expect_relative(rdp->epsilon({&event, 1}, Relation::replace_one, row.at("delta")).epsilon,
                    row.at("epsilon"), 1e-6, row.dump());
    EXPECT_THROW(rdp->epsilon({&event, 1}, Relation::add_remove, 1e-5), InputError);
  }
}

TEST(Rdp, MatchesClosedForm_Laplace) {
  for (const auto& row : golden_table("laplace")) {
    const std::vector<double> orders = row.at("orders");
    const Event event = laplace_event(row.at("scale"), row.at("count"));
    const std::vector<double> rdp = rdp_curve({&event, 1}, Relation::add_remove, orders);
    for (size_t i = 0; i < orders.size(); ++i) {
      expect_relative(rdp[i], row.at("rdp")[i], 1e-9, row.dump());
    }
  }
}

// One direct sum over outcomes.
TEST(Rdp, MatchesDirectSum_RandomizedResponse) {
  const Event event{RandomizedResponseMechanism{0.6, 4}, NoSampling{}, 3};
  const double other = 0.4 / 3.0;
  for (double a : {1.5, 2.0, 7.0, 63.0}) {
    const double direct = std::log(std::pow(0.6, a) * std::pow(other, 1 - a) +
                                   std::pow(other, a) * std::pow(0.6, 1 - a) + 2 * other) /
                          (a - 1);
    expect_relative(rdp_curve({&event, 1}, Relation::replace_one, std::vector{a})[0], 3 * direct,
                    1e-9, "order " + std::to_string(a));
  }
}

// E_Q[(P/Q)^a] of the replace pair by a plain fine sum.
TEST(Rdp, MatchesFineSum_ReplaceOne) {
  for (const auto& [q, s] : {std::pair{0.01, 1.0}, {0.3, 0.5}, {0.9, 2.0}, {0.001, 0.4}}) {
    const Event event = poisson_gaussian(q, s, 1);
    for (double a : {1.3, 2.0, 5.5, 16.0}) {
      double moment = 0.0;
      const double h = s * s / 40.0;
      for (double z = -12.0 * s - 1.0; z < 2.0 * a + 12.0 * s; z += h) {
        const double plus = std::log(1 - q + q * std::exp((2 * z - 1) / (2 * s * s)));
        const double minus = std::log(1 - q + q * std::exp((-2 * z - 1) / (2 * s * s)));
        moment += h / (s * std::sqrt(2 * M_PI)) *
                  std::exp(a * plus + (1 - a) * minus - z * z / (2 * s * s));
      }
      const double direct = std::log(moment) / (a - 1);
      expect_in(rdp_curve({&event, 1}, Relation::replace_one, std::vector{a})[0],
                direct * (1 - 1e-7) - 1e-12, direct * (1 + 1e-7) + 1e-12, "replace");
    }
  }
}

// Theorem 2 at one order by hand: geometric, gamma = 0.1, of one Gaussian.
TEST(Rdp, NeverBelowOneRun_SelectAndRepeat) {
  const auto base = std::make_shared<const Event>(gaussian_event(4.0, 1));
  const auto rdp = make_accountant("rdp");
  const double one = rdp->epsilon({base.get(), 1}, Relation::zero_out, 1e-6).epsilon;
  double last = one;
  for (double gamma : {0.5, 0.1, 0.01}) {
    const Event event{SelectAndRepeatMechanism{base, "geometric", {gamma}}, NoSampling{}, 1};
    const double epsilon = rdp->epsilon({&event, 1}, Relation::zero_out, 1e-6).epsilon;
    EXPECT_GT(epsilon, last);
    last = epsilon;
  }
  EXPECT_LT(last, 8.0 * one);
  const Event wrong{SelectAndRepeatMechanism{base, "uniform", {0.5}}, NoSampling{}, 1};
  EXPECT_THROW(rdp->epsilon({&wrong, 1}, Relation::zero_out, 1e-6), InputError);
}

TEST(Rdp, IsAddedUpOverEvents) {
  const std::vector<Event> events{poisson_gaussian(0.01, 1.0, 10), laplace_event(3.0, 2),
                                  gaussian_event(5.0, 7)};
  const std::vector<double>& orders = default_rdp_orders();
  const std::vector<double> together = rdp_curve(events, Relation::add_remove, orders);
  for (size_t i = 0; i < orders.size(); i += 25) {
    double sum = 0.0;
    for (const Event& event : events) {
      sum += rdp_curve({&event, 1}, Relation::add_remove, orders)[i];
    }
    expect_relative(together[i], sum, 1e-12, "sum");
  }
}

}  // namespace
}  // namespace starling
