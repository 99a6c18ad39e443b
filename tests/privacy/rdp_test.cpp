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

// Enormous noise takes no more nodes; q^2 a / 2s^2 is the leading term there.
TEST(Rdp, AnswersForEnormousNoise) {
  for (const double sigma : {1e4, 1e8, 1e12}) {
    const Event event = poisson_gaussian(0.1, sigma, 1);
    const std::vector<double> orders{1.5, 10.5};
    const auto rdp = rdp_curve({&event, 1}, Relation::add_remove, orders);
    for (size_t i = 0; i < orders.size(); ++i) {
      expect_relative(rdp[i], 0.01 * orders[i] / (2.0 * sigma * sigma), 1e-4, "leading term");
    }
  }
}

// log E_Q[(P/Q)^order] / (order - 1) by Simpson's rule, where all m records join by coins of rate q
// and pull the same way: P = sum_k C(m,k) q^k (1-q)^(m-k) N(k, s^2), Q = N(0, s^2).
double group_divergence(double q, double s, int m, double order) {
  double sum = 0.0;
  const double low = -15.0 * s, high = m * order + 15.0 * s;
  const int points = 200000;
  for (int i = 0; i <= points; ++i) {
    const double z = low + (high - low) * i / points;
    double ratio = 0.0;
    for (int k = 0; k <= m; ++k) {
      ratio += std::exp(std::lgamma(m + 1.0) - std::lgamma(k + 1.0) - std::lgamma(m - k + 1.0) +
                        k * std::log(q) + (m - k) * std::log1p(-q) +
                        (2.0 * k * z - static_cast<double>(k) * k) / (2.0 * s * s));
    }
    const double weight = i == 0 || i == points ? 1.0 : i % 2 == 1 ? 4.0 : 2.0;
    sum += weight * std::exp(order * std::log(ratio) - z * z / (2.0 * s * s));
  }
  const double moment = sum * (high - low) / points / 3.0 / (s * std::sqrt(2.0 * M_PI));
  return std::log(moment) / (order - 1.0);
}

TEST(GroupRdp, NeverBelowTheDivergenceOfAGroupThatPullsOneWay_PoissonGaussian) {
  const std::vector<double> orders{1.1, 1.5, 2.0, 3.0, 8.0};
  for (const auto& [q, s, m] : std::vector<std::tuple<double, double, int>>{
           {0.01, 1.0, 2}, {0.1, 2.0, 3}, {0.3, 4.0, 4}, {0.02, 1.5, 7}, {0.9, 5.0, 2}}) {
    const Event event = poisson_gaussian(q, s, 1);
    const auto rdp = group_rdp_curve({&event, 1}, Relation::add_remove, m, orders);
    for (size_t i = 0; i < orders.size(); ++i) {
      const double least = group_divergence(q, s, m, orders[i]);
      EXPECT_GE(rdp[i], least) << q << " " << s << " " << m << " order " << orders[i];
    }
  }
}

TEST(GroupRdp, IsCorollary4OnceForEveryDoubling) {
  const Event event = poisson_gaussian(0.05, 1.5, 10);
  const std::vector<double> orders{1.25, 4.0}, doubled{2.5, 8.0}, twice{5.0, 16.0};
  const auto one = rdp_curve({&event, 1}, Relation::replace_one, doubled);
  const auto pair = group_rdp_curve({&event, 1}, Relation::replace_one, 2, orders);
  const auto deep = rdp_curve({&event, 1}, Relation::replace_one, twice);
  const auto three = group_rdp_curve({&event, 1}, Relation::replace_one, 3, orders);
  const auto single = group_rdp_curve({&event, 1}, Relation::replace_one, 1, doubled);
  for (size_t i = 0; i < orders.size(); ++i) {
    const auto factor = [](double a) { return (a - 0.5) / (a - 1.0) + 1.0; };
    expect_relative(pair[i], factor(orders[i]) * one[i], 1e-9, "two records");
    expect_relative(three[i], factor(orders[i]) * factor(doubled[i]) * deep[i], 1e-9, "three");
    expect_relative(single[i], one[i], 1e-9, "one record");
  }
}

TEST(GroupRdp, AdditiveNoiseTakesTheGroupsSensitivity) {
  const std::vector<double> orders{1.5, 10.0};
  const auto same = [&](const Event& event, int64_t m, const Event& as_one) {
    const auto group = group_rdp_curve({&event, 1}, Relation::zero_out, m, orders);
    const auto one = rdp_curve({&as_one, 1}, Relation::zero_out, orders);
    for (size_t i = 0; i < orders.size(); ++i) expect_relative(group[i], one[i], 1e-9, "group");
  };
  same(gaussian_event(6.0, 5), 3, gaussian_event(2.0, 5));
  same(laplace_event(6.0, 5), 3, laplace_event(2.0, 5));
  same({DiscreteGaussianMechanism{8.0}, NoSampling{}, 2}, 4,
       {DiscreteGaussianMechanism{2.0}, NoSampling{}, 2});
  same({TreeMechanism{8.0, 16}, NoSampling{}, 1}, 4, {TreeMechanism{2.0, 16}, NoSampling{}, 1});
}

TEST(GroupRdp, APureBoundGrowsWithTheGroup) {
  const Event event{RandomizedResponseMechanism{0.75, 2}, NoSampling{}, 1};
  const double epsilon =
      make_group_rdp_accountant(5)->epsilon({&event, 1}, Relation::zero_out, 0.0).epsilon;
  EXPECT_NEAR(epsilon, 5.0 * std::log(3.0), 1e-9);
  EXPECT_THROW(make_group_rdp_accountant(0), InputError);
}

}  // namespace
}  // namespace starling
