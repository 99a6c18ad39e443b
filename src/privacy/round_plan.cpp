#include "starling/privacy/round_plan.h"

#include <cmath>

#include "privacy/require.h"
#include "starling/privacy/adaptive_clipping.h"

namespace starling {
namespace {

// How far adaptive clipping may go from the first clip norm, either way.
constexpr double kAdaptiveRange = 1024.0;

void validate_cohort(const RoundPlan& plan, const std::string& place) {
  if (plan.cohort_kind == CohortKind::poisson)
    require(plan.sample_rate > 0.0 && plan.sample_rate <= 1.0, place,
            "sample rate " + number_text(plan.sample_rate) + " is outside (0, 1]");
  if (plan.cohort_kind == CohortKind::fixed || plan.cohort_kind == CohortKind::tree)
    require(plan.cohort >= 1 && plan.cohort <= plan.clients, place,
            "a cohort of " + std::to_string(plan.cohort) + " is outside [1, " +
                std::to_string(plan.clients) + "] (the number of clients)");
  if (plan.cohort_kind == CohortKind::fixed)
    require(
        plan.relation == Relation::replace_one, place,
        "a cohort of fixed size is accounted under relation replace_one only, and relation is " +
            to_string(plan.relation) + "; use poisson participation, or fraction 1");
}

void validate_tree(const RoundPlan& plan, const std::string& place) {
  require(plan.tree.has_value() == (plan.cohort_kind == CohortKind::tree), place,
          "a tree needs a schedule without sampling");
  if (!plan.tree) return;
  require(plan.relation == Relation::zero_out, place,
          "relation " + to_string(plan.relation) +
              " does not go with tree aggregation, whose schedule is public; use zero_out");
  require(plan.tree->restart_every >= 1 && plan.tree->max_participations >= 1 &&
              plan.tree->min_separation >= 0,
          place, "a tree has at least one round and one participation");
  require(!plan.adaptive, place, "adaptive clipping does not go with tree aggregation");
}

void validate_adaptive(const RoundPlan& plan, const std::string& place) {
  if (!plan.adaptive) return;
  require(plan.adaptive->quantile >= 0.0 && plan.adaptive->quantile <= 1.0, place,
          "quantile " + number_text(plan.adaptive->quantile) + " is outside [0, 1]");
  require_in(plan.adaptive->learning_rate, kPositive, place, "adaptive learning_rate");
  require_in(plan.adaptive->bit_noise_multiplier, kPositive, place, "bit_noise_multiplier");
  if (plan.noise_multiplier > 0.0)
    adaptive_clipping_noise_multiplier(plan.noise_multiplier, plan.adaptive->bit_noise_multiplier);
}

}  // namespace

std::string to_string(CohortKind kind) {
  switch (kind) {
    case CohortKind::poisson:
      return "poisson";
    case CohortKind::fixed:
      return "fixed";
    case CohortKind::all:
      return "all";
    case CohortKind::tree:
      return "tree";
  }
  throw Error("unknown kind of cohort");
}

double RoundPlan::divisor() const {
  const auto cap = static_cast<double>(weight_cap);
  switch (cohort_kind) {
    case CohortKind::poisson:
      return sample_rate * static_cast<double>(clients) * cap;
    case CohortKind::fixed:
    case CohortKind::tree:
      return static_cast<double>(cohort) * cap;
    case CohortKind::all:
      return static_cast<double>(clients) * cap;
  }
  throw Error("unknown kind of cohort");
}

double RoundPlan::sum_noise_multiplier() const {
  return adaptive
             ? adaptive_clipping_noise_multiplier(noise_multiplier, adaptive->bit_noise_multiplier)
             : noise_multiplier;
}

double RoundPlan::noise_standard_deviation(double clip) const {
  return sum_noise_multiplier() * clip * static_cast<double>(weight_cap);
}

double RoundPlan::largest_clip() const { return adaptive ? clip_norm * kAdaptiveRange : clip_norm; }
double RoundPlan::smallest_clip() const {
  return adaptive ? clip_norm / kAdaptiveRange : clip_norm;
}

Event RoundPlan::event() const {
  Event event;
  if (tree) {
    event.mechanism = TreeMechanism{noise_multiplier, tree->restart_every, 1,
                                    tree->max_participations, tree->min_separation};
    return event;
  }
  if (adaptive) {
    event.mechanism = AdaptiveClippingMechanism{noise_multiplier, adaptive->bit_noise_multiplier};
  } else {
    event.mechanism = GaussianMechanism{noise_multiplier};
  }
  if (cohort_kind == CohortKind::poisson) event.sampling = PoissonSampling{sample_rate};
  if (cohort_kind == CohortKind::fixed) event.sampling = WithoutReplacement{cohort, clients};
  return event;
}

int64_t RoundPlan::releases(int64_t round) const {
  return tree && round % tree->restart_every != 0 ? 0 : 1;
}

void RoundPlan::validate(const std::string& place) const {
  require(clients >= 1, place, "clients " + std::to_string(clients) + ": at least 1 is needed");
  require(weight_cap >= 1, place,
          "weight_cap " + std::to_string(weight_cap) + " is outside [1, 2^53]");
  require_in(clip_norm, kPositive, place, "clip_norm");
  require_in(noise_multiplier, kNonNegative, place, "noise_multiplier");
  validate_cohort(*this, place);
  validate_tree(*this, place);
  validate_adaptive(*this, place);
}

}  // namespace starling
