#include <cmath>
#include <random>

#include "golden.h"
#include "starling/core/error.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/gaussian.h"
#include "starling/privacy/tradeoff.h"

namespace starling {
namespace {

// Never below the exact value; at most this far above.
double allowed_excess(double epsilon) { return std::max(2e-3, 1e-3 * epsilon); }

double exact_epsilon(const std::vector<Event>& events, Relation relation, double delta) {
  return make_accountant("exact")->epsilon(events, relation, delta).epsilon;
}

TEST(Exact, InsideTheReferenceBand_PoissonGaussian) {
  const auto exact = make_accountant("exact");
  for (const auto& row : golden_table("points")) {
    const Event event = poisson_gaussian(row.at("q"), row.at("sigma"), row.at("count"));
    if (row.at("exact").is_array()) {
      expect_in(exact->epsilon({&event, 1}, Relation::add_remove, row.at("delta")).epsilon,
                row.at("exact")[0], row.at("exact")[1], row.dump());
    }
    if (!row.contains("exact_delta") || row.at("exact_delta").is_null()) continue;
    const double gold = row.at("exact_delta");
    expect_in(exact->delta({&event, 1}, Relation::add_remove, row.at("epsilon")).delta,
              gold * (1 - 1e-6), 1.02 * gold + 1e-13, row.dump());
  }
}

TEST(Exact, NeverBelowIndependentIntegrals_Extreme) {
  const auto exact = make_accountant("exact");
  for (const auto& row : golden().at("extreme")) {
    const Event event = poisson_gaussian(row.at("q"), row.at("sigma"), row.at("count"));
    const double gold = row.at("epsilon");
    const PrivacyBound bound = exact->epsilon({&event, 1}, Relation::add_remove, row.at("delta"));
    expect_in(bound.epsilon, gold * (1 - 1e-9) - 1e-9, gold + allowed_excess(gold), row.dump());
    EXPECT_GE(gold, bound.epsilon - bound.error - 1e-9) << row;
  }
}

TEST(Exact, NeverBelowIndependentIntegrals_RareHits) {
  const auto exact = make_accountant("exact");
  for (const auto& row : golden().at("rare_hits")) {
    const Event event = poisson_gaussian(row.at("q"), row.at("sigma"), row.at("count"));
    const double gold = row.at("epsilon");
    const PrivacyBound bound = exact->epsilon({&event, 1}, Relation::add_remove, row.at("delta"));
    expect_in(bound.epsilon, gold * (1 - 1e-6), gold + allowed_excess(gold), row.dump());
    EXPECT_GE(gold * (1 + 1e-6), bound.epsilon - bound.error) << row;
  }
}

TEST(Exact, CertifiesTheTolerance_RandomCasesOfTheAnnouncedRange) {
  std::mt19937_64 random(11);
  const auto log_uniform = [&](double low, double high) {
    return std::exp(std::uniform_real_distribution(std::log(low), std::log(high))(random));
  };
  const auto exact = make_accountant("exact");
  for (int i = 0; i < 60; ++i) {
    // Two thirds where rare hits decide, which random cases of the whole range seldom are.
    const bool hard = i % 3 != 0;
    const double q = log_uniform(1e-6, hard ? 1e-3 : 1.0);
    const double sigma = log_uniform(0.3, hard ? 1.3 : 100.0);
    const auto count = static_cast<int64_t>(log_uniform(1.0, 1e6));
    const double delta = log_uniform(1e-15, hard ? 1e-6 : 1e-3);
    const Relation relation = i % 2 == 0 ? Relation::add_remove : Relation::replace_one;
    const Event event = poisson_gaussian(q, sigma, count);
    const PrivacyBound bound = exact->epsilon({&event, 1}, relation, delta);
    EXPECT_TRUE(bound.error <= allowed_excess(bound.epsilon))
        << "q " << q << " sigma " << sigma << " count " << count << " delta " << delta << " "
        << to_string(relation) << ": epsilon " << bound.epsilon << ", error " << bound.error;
  }
}

std::vector<Event> read_mechanisms(const nlohmann::json& mechanisms) {
  std::vector<Event> events;
  for (const auto& m : mechanisms) {
    if (m[0] == "pg") events.push_back(poisson_gaussian(m[1], m[2], m[3]));
    if (m[0] == "g") events.push_back(gaussian_event(m[1], m[2]));
    if (m[0] == "lap") events.push_back(laplace_event(m[1], m[2]));
  }
  return events;
}

TEST(Exact, InsideTheReferenceBand_Heterogeneous) {
  for (const auto& row : golden_table("heterogeneous")) {
    const std::vector<Event> events = read_mechanisms(row.at("mechanisms"));
    expect_in(exact_epsilon(events, Relation::add_remove, row.at("delta")), row.at("exact")[0],
              row.at("exact")[1], row.dump());
    const double rdp =
        make_accountant("rdp")->epsilon(events, Relation::add_remove, row.at("delta")).epsilon;
    expect_relative(rdp, row.at("rdp"), 1e-7, row.dump());
  }
}

TEST(Exact, InsideTheReferenceBand_ReplaceOne) {
  for (const auto& row : golden_table("replace_one")) {
    const double gold = row.at("epsilon");
    expect_in(exact_epsilon({poisson_gaussian(row.at("q"), row.at("sigma"), row.at("count"))},
                            Relation::replace_one, row.at("delta")),
              gold * (1 - 1e-9) - 1e-9, gold + allowed_excess(gold), row.dump());
  }
}

TEST(Exact, InsideTheReferenceBand_Laplace) {
  for (const auto& row : golden_table("laplace")) {
    for (const auto& x : row.at("rows")) {
      const double low = x.at("low").is_null() ? 0.0 : x.at("low").get<double>();
      expect_in(exact_epsilon({laplace_event(row.at("scale"), row.at("count"))},
                              Relation::add_remove, x.at("delta")),
                low, x.at("high"), row.dump());
    }
  }
}

// delta(epsilon) of n binary responses is a binomial sum.
// Losses of Laplace's mechanism have no rare hits to split off: a split that was none took seconds,
// and certified less.
TEST(Exact, CertifiesSeldomSampledLaplace) {
  const Event event{LaplaceMechanism{0.26586264605162863}, PoissonSampling{5.6743606827411659e-05},
                    68};
  const PrivacyBound bound =
      make_accountant("exact")->epsilon({&event, 1}, Relation::add_remove, 2.52e-15);
  EXPECT_LE(bound.error, 1e-4) << bound.detail;
  EXPECT_NEAR(bound.epsilon, 0.02935, 1e-4);
}

// With probability 1/4 both losses are the largest, so that epsilon is at least the pure bound less
// -log(1 - 4 delta), and above that by what losses near the largest add, of order delta^2.
TEST(Exact, CertifiesThePureBound) {
  const Event event{LaplaceMechanism{0.0695}, NoSampling{}, 2};
  for (double delta : {1e-14, 1e-9, 1e-4}) {
    const PrivacyBound bound =
        make_accountant("exact")->epsilon({&event, 1}, Relation::replace_one, delta);
    const double exact = 4.0 / 0.0695 + std::log1p(-4.0 * delta);
    expect_in(bound.epsilon, exact * (1.0 - 1e-14), exact + 1e-3, bound.detail);
    EXPECT_LE(bound.epsilon - bound.error, exact + 1e-12 + 100.0 * delta * delta) << bound.detail;
    EXPECT_LE(bound.error, std::max(5e-12, 8.0 * delta)) << bound.detail;
  }
}

TEST(Exact, MatchesBinomialSum_RandomizedResponse) {
  const int n = 20;
  const double p = 0.75, loss = std::log(3.0);
  const Event event{RandomizedResponseMechanism{p, 2}, NoSampling{}, n};
  for (double epsilon : {0.5, 2.0, 5.0, 12.0}) {
    double delta = 0.0;
    for (int k = 0; k <= n; ++k) {
      const double log_mass = std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) +
                              k * std::log(p) + (n - k) * std::log1p(-p);
      const double total = (2 * k - n) * loss;
      if (total > epsilon) delta += std::exp(log_mass) * -std::expm1(epsilon - total);
    }
    const double value =
        make_accountant("exact")->delta({&event, 1}, Relation::replace_one, epsilon).delta;
    expect_in(value, delta * (1 - 1e-9), 1.001 * delta + 1e-13, "n = 20");
  }
}

// P(every response tells the truth) alone decides delta within one loss of the pure bound.
TEST(Exact, RandomizedResponseNearItsPureBound) {
  for (const int64_t categories : {2, 5}) {
    for (const int n : {10, 300}) {
      const double p = 0.99, low = 0.01 / static_cast<double>(categories - 1);
      const Event event{RandomizedResponseMechanism{p, categories}, NoSampling{}, n};
      const double pure = n * std::log(p / low);
      const double high_mass = std::pow(p, n);
      const double delta = 0.5 * high_mass * -std::expm1(-1.0);
      const auto bound = make_accountant("exact")->epsilon({&event, 1}, Relation::zero_out, delta);
      const double expected = pure + std::log1p(-delta / high_mass);
      EXPECT_NEAR(bound.epsilon, expected, 1e-9 * pure) << categories << " " << n;
      EXPECT_LE(bound.error, 1e-8 * pure);
      const auto at_pure =
          make_accountant("exact")->epsilon({&event, 1}, Relation::zero_out, 1e-15);
      EXPECT_LE(at_pure.epsilon, pure * (1.0 + 1e-13));
      EXPECT_LE(at_pure.error, 1e-8 * pure);
    }
  }
}

// Three outcomes: a sum over all triples.
TEST(Exact, MatchesTrinomialSum_RandomizedResponse) {
  const int n = 12;
  const double p = 0.6, low = 0.1, rest = 0.3, loss = std::log(6.0);
  const Event event{RandomizedResponseMechanism{p, 5}, NoSampling{}, n};
  for (double epsilon : {0.5, 6.0, 20.0}) {
    double delta = 0.0;
    for (int up = 0; up <= n; ++up) {
      for (int down = 0; up + down < n + 1; ++down) {
        const double ways = std::tgamma(n + 1) / std::tgamma(up + 1) / std::tgamma(down + 1) /
                            std::tgamma(n - up - down + 1);
        const double mass =
            ways * std::pow(p, up) * std::pow(low, down) * std::pow(rest, n - up - down);
        const double total = (up - down) * loss;
        if (total > epsilon) delta += mass * -std::expm1(epsilon - total);
      }
    }
    const double value =
        make_accountant("exact")->delta({&event, 1}, Relation::zero_out, epsilon).delta;
    expect_in(value, delta * (1 - 1e-12), delta * (1 + 1e-9), "n = 12");
  }
}

TEST(Exact, RefusesRenyiOnlyEventsByName) {
  const auto exact = make_accountant("exact");
  const std::vector<Event> wor{gaussian_event(1.0, 1),
                               {GaussianMechanism{2.0}, WithoutReplacement{10, 100}, 1}};
  const std::vector<Event> discrete{{DiscreteGaussianMechanism{2.0}, NoSampling{}, 1}};
  try {
    exact->epsilon(wor, Relation::replace_one, 1e-5);
    FAIL() << "sampling without replacement was taken";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("event 1 (gaussian)"), std::string::npos);
  }
  EXPECT_THROW(exact->epsilon(discrete, Relation::zero_out, 1e-5), InputError);
}

TEST(Exact, EdgeCases) {
  const auto eps = [](double q, double sigma, int64_t count, double delta) {
    return exact_epsilon({poisson_gaussian(q, sigma, count)}, Relation::add_remove, delta);
  };
  EXPECT_EQ(eps(0.0, 1.0, 100, 1e-5), 0.0);
  EXPECT_EQ(eps(0.01, 1.0, 0, 1e-5), 0.0);
  EXPECT_EQ(eps(0.01, 0.0, 1, 1e-5), kInfinity);
  EXPECT_EQ(eps(0.01, 1.0, 10, 0.0), kInfinity);
  EXPECT_EQ(eps(1.0, 1.0, 1, 1.0), 0.0);
  EXPECT_EQ(eps(0.01, kInfinity, 10, 1e-5), 0.0);
  EXPECT_EQ(eps(0.0, 0.0, 1, 1e-5), 0.0);
  expect_in(eps(1e-12, 1.0, 1000000000, 1e-12), 0.0, 1e-2, "tiny rate");
  expect_relative(eps(1.0, 1e6, 1000000000000, 1e-6), 4.886554117462212, 1e-9, "many releases");
  expect_in(eps(0.999999999999, 2.0, 3, 1e-6), 4.151816727764913 - 1e-6, 4.1540, "rate near 1");
  EXPECT_GT(eps(0.01, 0.001, 1000, 1e-5), 1e5);
  const double nan = std::nan("");
  for (const auto& [q, sigma, count, delta] :
       std::vector<std::tuple<double, double, int64_t, double>>{{-0.1, 1.0, 1, 1e-5},
                                                                {1.0000001, 1.0, 1, 1e-5},
                                                                {nan, 1.0, 1, 1e-5},
                                                                {0.01, -1.0, 1, 1e-5},
                                                                {0.01, nan, 1, 1e-5},
                                                                {0.01, 1.0, -1, 1e-5},
                                                                {0.01, 1.0, 10, -1e-9},
                                                                {0.01, 1.0, 10, nan}}) {
    EXPECT_THROW(eps(q, sigma, count, delta), InputError) << q << " " << sigma << " " << delta;
  }
}

struct Case {
  double q, sigma, delta;
  int64_t count;
};
Case random_case(std::mt19937_64& random) {
  const auto log_uniform = [&](double low, double high) {
    return std::exp(std::uniform_real_distribution(std::log(low), std::log(high))(random));
  };
  return {log_uniform(1e-3, 1.0), log_uniform(0.5, 20.0), log_uniform(1e-9, 1e-3),
          static_cast<int64_t>(log_uniform(2.0, 1e5))};
}

TEST(Exact, AtMostRdpAndMonotone_RandomCompositions) {
  std::mt19937_64 random(7);
  const auto rdp = make_accountant("rdp");
  for (int i = 0; i < 15; ++i) {
    const Case a = random_case(random), b = random_case(random);
    const std::vector<Event> events{poisson_gaussian(a.q, a.sigma, a.count),
                                    poisson_gaussian(b.q, b.sigma, b.count)};
    const double epsilon = exact_epsilon(events, Relation::add_remove, a.delta);
    // Both are upper bounds; up to the exact accountant's own slack.
    const double slack = 1e-4 * epsilon + 1e-4;
    const std::string what = "case " + std::to_string(i);
    expect_in(epsilon, 0.0, rdp->epsilon(events, Relation::add_remove, a.delta).epsilon + slack,
              what);
    const auto changed = [&](double q, double sigma, int64_t count) {
      return exact_epsilon({poisson_gaussian(q, sigma, count), events[1]}, Relation::add_remove,
                           a.delta);
    };
    EXPECT_GE(changed(std::min(1.0, 1.2 * a.q), a.sigma, a.count), epsilon - slack) << what;
    EXPECT_GE(changed(a.q, 0.9 * a.sigma, a.count), epsilon - slack) << what;
    EXPECT_GE(changed(a.q, a.sigma, 2 * a.count), epsilon - slack) << what;
    EXPECT_GE(exact_epsilon(events, Relation::add_remove, 0.1 * a.delta), epsilon - slack) << what;
    EXPECT_GE(exact_epsilon(events, Relation::replace_one, a.delta), epsilon - slack) << what;
    EXPECT_EQ(exact_epsilon({events[1], events[0]}, Relation::add_remove, a.delta), epsilon)
        << "the order of events matters";
  }
}

TEST(Exact, DeltaOfEpsilonIsDelta) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 10; ++i) {
    const Case c = random_case(random);
    const std::vector<Event> events{poisson_gaussian(c.q, c.sigma, c.count)};
    const double epsilon = exact_epsilon(events, Relation::add_remove, c.delta);
    if (epsilon < 1e-2) continue;
    const double delta =
        make_accountant("exact")->delta(events, Relation::add_remove, epsilon).delta;
    expect_in(delta, 0.9 * c.delta, 1.02 * c.delta, "case " + std::to_string(i));
  }
}

TEST(TradeOff, MatchesTheGaussianCurve) {
  const Event event = gaussian_event(1.0, 1);
  const std::vector<double> type_one{0.0, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0};
  const auto curve =
      trade_off_curve(*make_accountant("exact"), {&event, 1}, Relation::zero_out, type_one);
  // G_1(a) = Phi(Phi^-1(1 - a) - 1); the grid of epsilons lies below it by little.
  const double expected[] = {1.0, 0.907638, 0.610856, 0.317180, 0.158655, 0.011258, 0.0};
  for (size_t i = 0; i < curve.size(); ++i) {
    expect_in(curve[i].type_two, expected[i] - 2e-3, expected[i] + 1e-5, "type I");
  }
}

TEST(TradeOff, MembershipBounds) {
  EXPECT_NEAR(membership_advantage(1.0, 1e-5), (std::exp(1.0) - 1 + 2e-5) / (std::exp(1.0) + 1),
              1e-15);
  EXPECT_EQ(membership_advantage(kInfinity, 0.0), 1.0);
  EXPECT_NEAR(membership_true_positive_rate(1.0, 0.0, 0.001), 0.001 * std::exp(1.0), 1e-12);
  EXPECT_EQ(membership_true_positive_rate(kInfinity, 0.0, 0.001), 1.0);
  const Event event = poisson_gaussian(0.01, 1.0, 500);
  EXPECT_NEAR(gdp_mu({&event, 1}, Relation::add_remove), 0.2931110564665759, 1e-12);
  EXPECT_LT(gdp_epsilon_not_a_bound(0.2931110564665759, 1e-5),
            exact_epsilon({event}, Relation::add_remove, 1e-5));
}

// A cell that holds the threshold of hits belongs to both sides in parts. The brackets come from
// losses rounded down and up to a grid of 4e-6, convolved by an FFT of another program.
TEST(Exact, RareHitsStayWithinIndependentBrackets) {
  struct Row {
    double rate, sigma;
    int64_t count;
    double delta, least, most;
  };
  for (const Row& row :
       {Row{3.0459348525708093e-06, 0.62236772136439633, 20, 2.0389658359218321e-12, 0.04102687,
            0.04110688},
        Row{8.278854986592944e-04, 0.52817535602744115, 4, 1e-3, 0.00407317, 0.00408918}}) {
    const std::array<Event, 1> events{
        Event{GaussianMechanism{row.sigma}, PoissonSampling{row.rate}, row.count}};
    const PrivacyBound bound =
        make_accountant("exact")->epsilon(events, Relation::add_remove, row.delta);
    EXPECT_GE(bound.epsilon, row.least) << bound.detail;
    EXPECT_GE(bound.error, 0.0) << bound.detail;
    EXPECT_LE(bound.epsilon - bound.error, row.most) << bound.detail;
    EXPECT_LE(bound.epsilon, row.most + 1e-3) << bound.detail;
  }
}

}  // namespace
}  // namespace starling
