#include "starling/privacy/gaussian.h"

#include <cmath>

#include "golden.h"
#include "starling/core/error.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/adaptive_clipping.h"
#include "starling/privacy/tree.h"
#include "starling/privacy/zcdp.h"

namespace starling {
namespace {

TEST(Gaussian, MatchesReference_LogDelta) {
  for (const auto& row : golden_table("gaussian_delta")) {
    const double gold = row.at("log_delta");
    const double value = gaussian_log_delta(row.at("sigma"), row.at("eps"));
    // Relative in delta where delta is small, in 1 - delta where it is near 1.
    const double tolerance = gold > -1e-3 ? 1e-8 * -gold : gold < -230.0 ? 1e-6 : 1e-8;
    expect_in(value, gold - tolerance, gold + tolerance, row.dump());
  }
}

TEST(Gaussian, MatchesReference_EpsilonAndSigma) {
  for (const auto& row : golden_table("gaussian_epsilon")) {
    expect_relative(gaussian_epsilon(row.at("sigma"), row.at("delta")), row.at("eps"), 1e-9,
                    row.dump());
  }
  for (const auto& row : golden_table("gaussian_sigma")) {
    expect_relative(gaussian_noise_multiplier(row.at("eps"), row.at("delta")), row.at("sigma"),
                    1e-9, row.dump());
  }
}

TEST(Gaussian, RefusesWhatIsOutOfRange) {
  EXPECT_THROW(gaussian_delta(0.0, 1.0), InputError);
  EXPECT_THROW(gaussian_delta(std::nan(""), 1.0), InputError);
  EXPECT_THROW(gaussian_epsilon(1.0, 0.0), InputError);
  EXPECT_THROW(gaussian_epsilon(1.0, 1.5), InputError);
  EXPECT_THROW(gaussian_delta(1.0, -0.1), InputError);
}

TEST(Zcdp, MatchesReference) {
  for (const auto& row : golden_table("zcdp")) {
    for (const auto& pair : row.at("epsilon")) {
      expect_relative(zcdp_epsilon(row.at("rho"), pair[0]), pair[1], 1e-7, row.dump());
    }
    for (const auto& pair : row.at("delta")) {
      expect_relative(zcdp_delta(row.at("rho"), pair[0]), pair[1], 1e-7, row.dump());
    }
  }
}

TEST(Zcdp, RefusesSampledEventsByName) {
  const std::vector<Event> events{gaussian_event(1.0, 1), poisson_gaussian(0.01, 1.0, 1)};
  try {
    zcdp_rho(events, Relation::add_remove);
    FAIL() << "a sampled Gaussian was taken";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("event 1 (gaussian)"), std::string::npos);
  }
}

TEST(Tree, MatchesReference_OneParticipation) {
  const auto rdp = make_accountant("rdp"), zcdp = make_accountant("zcdp"),
             exact = make_accountant("exact");
  for (const auto& row : golden_table("tree_restart")) {
    const Event event{TreeMechanism{row.at("sigma"), row.at("leaves"), row.at("restarts"), 1, 0},
                      NoSampling{}, 1};
    expect_relative(zcdp_rho({&event, 1}, Relation::zero_out), row.at("rho"), 1e-9, row.dump());
    for (const auto& x : row.at("rows")) {
      const double delta = x[0];
      expect_relative(zcdp->epsilon({&event, 1}, Relation::zero_out, delta).epsilon, x[1], 1e-6,
                      row.dump());
      expect_relative(exact->epsilon({&event, 1}, Relation::zero_out, delta).epsilon, x[2], 1e-6,
                      row.dump());
      expect_relative(rdp->epsilon({&event, 1}, Relation::zero_out, delta).epsilon, x[3], 1e-6,
                      row.dump());
    }
  }
}

TEST(Tree, MatchesReference_SeveralParticipations) {
  const auto exact = make_accountant("exact");
  for (const auto& row : golden_table("tree")) {
    const TreeSensitivity tree =
        tree_sensitivity(row.at("leaves"), row.at("participations"), row.at("separation"));
    EXPECT_TRUE(tree.exact);
    EXPECT_EQ(tree.squared, row.at("squared").get<double>()) << row;
    const Event event{TreeMechanism{row.at("sigma"), row.at("leaves"), 1, row.at("participations"),
                                    row.at("separation")},
                      NoSampling{}, 1};
    for (const auto& x : row.at("rows")) {
      expect_relative(exact->epsilon({&event, 1}, Relation::zero_out, x[0]).epsilon, x[2], 1e-6,
                      row.dump());
    }
  }
}

// Every subset of leaves that keeps its distance.
double exhaustive_sensitivity(int leaves, int participations, int separation) {
  double best = 0.0;
  for (uint32_t set = 1; set < (1u << leaves); ++set) {
    if (__builtin_popcount(set) > participations) continue;
    bool allowed = true;
    for (int gap = 1; gap <= separation; ++gap) allowed &= (set & (set >> gap)) == 0;
    if (!allowed) continue;
    double squared = 0.0;
    for (int size = 1; size <= leaves; size *= 2) {
      for (int start = 0; start + size <= leaves; start += size) {
        const double count = __builtin_popcount((set >> start) & ((1u << size) - 1));
        squared += count * count;
      }
    }
    best = std::max(best, squared);
  }
  return best;
}

TEST(Tree, MatchesExhaustiveSearch) {
  for (int leaves : {1, 3, 6, 8, 13, 15}) {
    for (int participations : {1, 2, 3, 5}) {
      for (int separation : {0, 1, 2, 4, 7}) {
        EXPECT_EQ(tree_sensitivity(leaves, participations, separation).squared,
                  exhaustive_sensitivity(leaves, participations, separation))
            << leaves << " " << participations << " " << separation;
      }
    }
  }
}

TEST(Tree, NeverBelowFewerLeavesWhereRelaxed) {
  const TreeSensitivity large = tree_sensitivity(100000, 20, 3000);
  EXPECT_FALSE(large.exact);
  EXPECT_GE(large.squared, 20.0 * 17.0);
  EXPECT_TRUE(std::isfinite(tree_sensitivity(int64_t{1} << 40, int64_t{1} << 30, 5).squared));
}

TEST(AdaptiveClipping, MatchesReference) {
  for (const auto& row : golden_table("adaptive_clipping")) {
    if (!row.at("feasible").get<bool>()) {
      EXPECT_THROW(adaptive_clipping_noise_multiplier(row.at("z"), row.at("sigma_b")), InputError);
      continue;
    }
    expect_relative(adaptive_clipping_noise_multiplier(row.at("z"), row.at("sigma_b")),
                    row.at("z_delta"), 1e-12, row.dump());
  }
}

}  // namespace
}  // namespace starling
