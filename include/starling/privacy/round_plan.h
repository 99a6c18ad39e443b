#pragma once
// One plan decides the privacy of client-level training (DP-FedAvg, McMahan et al. 2018). The
// cohort's sampler, the clip of each client's upload, the server's noise, the divisor and the
// ledger's event are all taken from one RoundPlan. Neighbours differ in one client with all its
// data, as `relation` says.
//
// A round releases (sum_i w_i clip(u_i, C) + N(0, (m C w_max)^2 I)) / divisor(): the sum moves by
// at most C w_max with one client, and the divisor is a public constant, never the realised cohort.
// An empty cohort still releases noise and is charged.

#include <cstdint>
#include <optional>
#include <string>

#include "starling/privacy/event.h"

namespace starling {

enum class CohortKind {
  poisson,  // one independent secret coin a client and round; amplifies
  fixed,    // exactly `cohort` clients without replacement, hidden; replace_one, rdp only
  all,      // every client in every round
  tree,     // a public schedule without sampling: DP-FTRL's tree aggregation
};
std::string to_string(CohortKind kind);

// The clip norm follows a quantile of the uploads' norms (Andrew et al. 2021): after each round
// C <- C exp(-learning_rate (b - quantile)), b the noised share of uploads that were not clipped.
struct AdaptiveClipPlan {
  double quantile = 0.5;              // in [0, 1]
  double learning_rate = 0.2;         // > 0
  double bit_noise_multiplier = 1.0;  // noise of the count over one client's +-1/2, sigma_b there
  bool operator==(const AdaptiveClipPlan&) const = default;
};

// DP-FTRL (Kairouz et al. 2021): prefix sums by a binary tree, a fresh one every `restart_every`
// rounds. A client takes part in a tree at most `max_participations` times, with at least
// `min_separation` rounds strictly between two.
struct TreePlan {
  int64_t restart_every = 1;
  int64_t max_participations = 1;
  int64_t min_separation = 0;
  bool operator==(const TreePlan&) const = default;
};

struct RoundPlan {
  CohortKind cohort_kind = CohortKind::poisson;
  Relation relation = Relation::add_remove;
  int64_t clients = 1;            // N, a public constant
  double sample_rate = 1.0;       // poisson: the coin, in (0, 1]
  int64_t cohort = 0;             // fixed, tree: clients a round
  double clip_norm = 1.0;         // C, of the first round under adaptive clipping
  double noise_multiplier = 0.0;  // m: noise standard deviation over C w_max, of the whole release
  int64_t weight_cap = 1;         // w_max: integer weights are min(w_i, w_max)
  std::optional<AdaptiveClipPlan> adaptive;
  std::optional<TreePlan> tree;

  // q N w_max under poisson, otherwise the cohort's size times w_max.
  double divisor() const;
  // Noise multiplier of the sum alone: m, or what adaptive clipping's count leaves of it.
  double sum_noise_multiplier() const;
  // Of the sum, at the present clip norm.
  double noise_standard_deviation(double clip) const;
  // Largest clip norm that any round may use; the grid is chosen from it.
  double largest_clip() const;
  double smallest_clip() const;

  // What round `round` adds to the ledger: `event` and how often. A tree is charged whole when it
  // begins, and its other rounds count 0.
  Event event() const;
  int64_t releases(int64_t round) const;

  // Errors: InputError naming the field, its value and what is allowed.
  void validate(const std::string& place = "privacy") const;
};

}  // namespace starling
