#include "starling/privacy/plan.h"

#include <cmath>

#include "privacy/require.h"

namespace starling {
namespace {

int64_t ceil_divide(int64_t a, int64_t b) { return a / b + (a % b != 0); }

void validate_sizes(const DpSgdPlan& plan, const std::string& place) {
  const std::string kind = to_string(plan.sampling);
  require(plan.examples >= 1, place,
          "examples " + std::to_string(plan.examples) + ": " + kind + " sampling needs at least 1");
  require(plan.batch_size >= 1 && plan.batch_size <= plan.examples, place,
          "batch_size " + std::to_string(plan.batch_size) + " is outside [1, " +
              std::to_string(plan.examples) + "] (the number of examples)");
  require(plan.expected_batch == static_cast<double>(plan.batch_size), place,
          "expected_batch " + number_text(plan.expected_batch) + " must equal batch_size " +
              std::to_string(plan.batch_size) + " under " + kind + " sampling");
}

void validate_relation(const DpSgdPlan& plan, const std::string& place) {
  if (plan.sampling == SamplingKind::shuffle) {
    require(plan.relation != Relation::add_remove, place,
            "relation add_remove does not go with shuffle sampling, whose batches show the number "
            "of examples; use zero_out, replace_one, or poisson sampling");
  }
  if (plan.sampling == SamplingKind::fixed) {
    require(plan.relation == Relation::replace_one, place,
            "relation " + to_string(plan.relation) +
                " does not go with fixed sampling, which is accounted for under replace_one only; "
                "use replace_one or poisson sampling");
  }
}

DpSgdPlan poisson_plan(const PlanOptions& options, int64_t examples, const std::string& place) {
  DpSgdPlan result;
  const double batch = static_cast<double>(options.batch_size);
  if (options.sample_rate) {
    result.sample_rate = *options.sample_rate;
    result.expected_batch = batch;
    return result;
  }
  require(options.relation != Relation::add_remove, place,
          "relation add_remove needs sample_rate as a constant: batch_size / examples would tell "
          "the private number of examples; give sample_rate, or use relation zero_out");
  require(examples >= 1, place,
          "examples " + std::to_string(examples) + ": poisson sampling needs at least 1");
  const double count = static_cast<double>(examples);
  result.sample_rate = std::min(1.0, batch / count);
  result.expected_batch = std::min(batch, count);
  return result;
}

DpSgdPlan sized_plan(const PlanOptions& options, int64_t examples) {
  DpSgdPlan result;
  result.examples = examples;
  result.batch_size = std::min(options.batch_size, std::max<int64_t>(examples, 1));
  result.expected_batch = static_cast<double>(result.batch_size);
  result.sample_rate = examples >= 1 ? result.expected_batch / static_cast<double>(examples) : 1.0;
  return result;
}

}  // namespace

std::string to_string(SamplingKind kind) {
  switch (kind) {
    case SamplingKind::poisson:
      return "poisson";
    case SamplingKind::shuffle:
      return "shuffle";
    case SamplingKind::fixed:
      return "fixed";
  }
  throw Error("unknown sampling kind");
}

int64_t DpSgdPlan::steps_per_epoch() const {
  if (sampling == SamplingKind::poisson) {
    return static_cast<int64_t>(std::ceil(1.0 / sample_rate));
  }
  return ceil_divide(examples, batch_size);
}

int64_t DpSgdPlan::releases(int64_t steps) const {
  if (steps < 0) throw Error("steps " + std::to_string(steps) + ": must not be negative");
  return sampling == SamplingKind::shuffle ? ceil_divide(steps, steps_per_epoch()) : steps;
}

Event DpSgdPlan::event(int64_t steps) const {
  Event event;
  event.mechanism = GaussianMechanism{noise_multiplier};
  event.count = releases(steps);
  if (sampling == SamplingKind::poisson) event.sampling = PoissonSampling{sample_rate};
  if (sampling == SamplingKind::fixed) event.sampling = WithoutReplacement{batch_size, examples};
  return event;
}

void DpSgdPlan::validate(const std::string& place) const {
  require_in(sample_rate, kUnitOpenClosed, place, "sample_rate");
  require_in(clip_norm, kPositive, place, "clip_norm");
  require_in(noise_multiplier, kNonNegative, place, "noise_multiplier");
  require_in(noise_standard_deviation(), kNonNegative, place, "noise_multiplier * clip_norm");
  require_in(expected_batch, kPositive, place, "expected_batch");
  if (sampling != SamplingKind::poisson) validate_sizes(*this, place);
  validate_relation(*this, place);
}

DpSgdPlan plan(const PlanOptions& options, int64_t examples, const std::string& place) {
  require(options.batch_size >= 1, place,
          "batch_size " + std::to_string(options.batch_size) + ": must be at least 1");
  require(!options.sample_rate || options.sampling == SamplingKind::poisson, place,
          "sample_rate goes with poisson sampling, not with " + to_string(options.sampling));
  DpSgdPlan result = options.sampling == SamplingKind::poisson
                         ? poisson_plan(options, examples, place)
                         : sized_plan(options, examples);
  result.sampling = options.sampling;
  result.relation = options.relation;
  result.clip_norm = options.clip_norm;
  result.noise_multiplier = options.noise_multiplier;
  result.validate(place);
  return result;
}

}  // namespace starling
