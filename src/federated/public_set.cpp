#include "federated/public_set.h"

#include <ATen/ATen.h>

#include "starling/train/distill.h"
#include "starling/train/random_layers.h"

namespace starling {
namespace {

constexpr int64_t kAnswerBatch = 512;

}  // namespace

std::vector<double> answers_of(Model& model, const torch::Tensor& features,
                               const Distilling& distilling) {
  auto answers = logits_of(model, features, kAnswerBatch);
  if (distilling.probabilities) answers = soften(answers, 1.0);
  answers = answers.to(torch::kDouble).contiguous();
  const double* first = answers.const_data_ptr<double>();
  return {first, first + answers.numel()};
}

void learn_consensus(Model& model, const torch::Tensor& features, const Strategy& strategy,
                     const StreamOwner& owner) {
  const auto consensus = strategy.consensus();
  if (consensus.empty()) return;
  const Distilling& distilling = *strategy.distilling();
  const int64_t examples = features.size(0);
  const auto mean = torch::from_blob(const_cast<double*>(consensus.data()),
                                     {examples, std::ssize(consensus) / examples}, torch::kDouble);
  const auto targets = soften(mean, distilling.target_temperature).to(features.scalar_type());
  LocalPlan plan;
  plan.batch_size = std::min(distilling.settings.batch_size, examples);
  plan.steps = distilling.settings.epochs * ((examples + plan.batch_size - 1) / plan.batch_size);
  plan.optimizer = AdamSpec{.learning_rate = distilling.settings.learning_rate};
  seed_random_layers(owner);
  distill(model, {features, {}}, targets, {distilling.student_temperature, 0.0}, plan, owner);
}

}  // namespace starling
