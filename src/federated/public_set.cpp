#include "federated/public_set.h"

#include <ATen/ATen.h>

#include "starling/train/distill.h"
#include "starling/train/random_layers.h"

namespace starling {
namespace {

constexpr int64_t kAnswerBatch = 512;

LocalPlan plan_of(const PublicDistillation& settings, int64_t examples, int64_t epochs) {
  LocalPlan plan;
  plan.batch_size = std::min(settings.batch_size, examples);
  plan.steps = epochs * ((examples + plan.batch_size - 1) / plan.batch_size);
  plan.optimizer = AdamSpec{.learning_rate = settings.learning_rate};
  return plan;
}

}  // namespace

torch::Tensor public_in_turn(const torch::Tensor& features, const Distilling& distilling,
                             int64_t consensus) {
  const int64_t all = features.size(0);
  const int64_t count = distilling.settings.examples_per_round.value_or(all);
  if (count == all) return features;
  const int64_t first = consensus * count % all;
  const auto index = torch::arange(first, first + count, torch::kLong).remainder(all);
  return features.index_select(0, index);
}

std::vector<double> answers_of(Model& model, const torch::Tensor& features,
                               const Distilling& distilling) {
  auto answers = logits_of(model, features, kAnswerBatch);
  if (distilling.probabilities) answers = soften(answers, 1.0);
  answers = answers.to(torch::kDouble).contiguous();
  const double* first = answers.const_data_ptr<double>();
  return {first, first + answers.numel()};
}

void learn_labels(Model& model, const Examples& data, const PublicDistillation& settings,
                  int64_t epochs, const StreamOwner& owner) {
  seed_random_layers(owner, device_of(model));
  train(model, data, plan_of(settings, data.size(), epochs), owner);
}

void learn_consensus(Model& model, const torch::Tensor& all, const Strategy& strategy,
                     const StreamOwner& owner) {
  const auto consensus = strategy.consensus();
  if (consensus.empty()) return;
  const Distilling& distilling = *strategy.distilling();
  const auto features = public_in_turn(all, distilling, strategy.consensuses() - 1);
  const int64_t examples = features.size(0);
  const auto mean = torch::from_blob(const_cast<double*>(consensus.data()),
                                     {examples, std::ssize(consensus) / examples}, torch::kDouble);
  const auto targets = soften(mean, distilling.target_temperature).to(features.scalar_type());
  seed_random_layers(owner, device_of(model));
  distill(model, {features, {}}, targets, {distilling.student_temperature, 0.0},
          plan_of(distilling.settings, examples, distilling.settings.epochs), owner);
}

}  // namespace starling
