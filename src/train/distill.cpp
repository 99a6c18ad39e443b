#include "starling/train/distill.h"

#include <ATen/ATen.h>

#include <string>

#include "starling/core/error.h"
#include "train/batch_loop.h"

namespace starling {
namespace {

void check(const Examples& data, const torch::Tensor& targets, const DistillationLoss& loss) {
  if (!(loss.temperature > 0.0))
    throw Error("distillation: temperature " + std::to_string(loss.temperature) +
                " is not above 0");
  if (!(loss.hard_weight >= 0.0 && loss.hard_weight <= 1.0))
    throw Error("distillation: hard_weight " + std::to_string(loss.hard_weight) +
                " is outside [0, 1]");
  const int64_t examples = data.features.size(0);
  if (targets.dim() != 2 || targets.size(0) != examples)
    throw Error("distillation: targets are not [" + std::to_string(examples) + ", classes]");
  if (loss.hard_weight > 0.0 && (data.size() != examples || data.is_regression()))
    throw Error("distillation: hard_weight is above 0, and there is not one class an example");
}

// answer: (features, rows) -> logits and further losses, or none; rows(all) are the batch's.
template <class Answer>
LocalMetrics distill_batches(Model& student, const Examples& data, const torch::Tensor& targets,
                             const DistillationLoss& loss, const LocalPlan& plan,
                             const StreamOwner& owner, Answer answer) {
  check(data, targets, loss);
  const auto device = device_of(student);
  return descend(student, targets.size(0), plan, owner, [&](const std::vector<int64_t>& indices) {
    const auto index = torch::tensor(indices, torch::kLong);
    const auto rows = [&](const torch::Tensor& all) {
      return all.index_select(0, index).to(device);
    };
    const auto [logits, further] = answer(rows(data.features), rows);
    const auto losses = distillation_losses(
        logits, rows(targets), loss.hard_weight > 0.0 ? rows(data.labels) : torch::Tensor(), loss);
    return further.defined() ? losses + further : losses;
  });
}

}  // namespace

torch::Tensor soften(const torch::Tensor& logits, double temperature) {
  return at::softmax(logits / temperature, -1);
}

torch::Tensor distillation_losses(const torch::Tensor& logits, const torch::Tensor& targets,
                                  const torch::Tensor& labels, const DistillationLoss& loss) {
  torch::Tensor losses;
  if (loss.hard_weight < 1.0) {
    const auto log_student = at::log_softmax(logits / loss.temperature, -1);
    const auto divergence = at::xlogy(targets, targets) - targets * log_student;
    losses = divergence.sum(-1) * ((1.0 - loss.hard_weight) * loss.temperature * loss.temperature);
  }
  if (loss.hard_weight == 0.0) return losses;
  const auto hard =
      at::cross_entropy_loss(logits, labels, /*weight=*/{}, at::Reduction::None) * loss.hard_weight;
  return losses.defined() ? losses + hard : hard;
}

torch::Tensor logits_of(Model& model, const torch::Tensor& features, int64_t batch_size) {
  model.eval();
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  const auto device = device_of(model);
  for (const auto& batch : features.split(batch_size))
    parts.push_back(model.forward(batch.to(device)).cpu());
  return at::cat(parts);
}

LocalMetrics distill(Model& student, const Examples& data, const torch::Tensor& targets,
                     const DistillationLoss& loss, const LocalPlan& plan,
                     const StreamOwner& owner) {
  return distill_batches(student, data, targets, loss, plan, owner,
                         [&](const torch::Tensor& features, const auto&) {
                           return MatchedStudent::Matched{student.forward(features), {}};
                         });
}

LocalMetrics distill(MatchedStudent& student, const Examples& data, const torch::Tensor& targets,
                     std::span<const torch::Tensor> layers, const DistillationLoss& loss,
                     const LocalPlan& plan, const StreamOwner& owner) {
  return distill_batches(student, data, targets, loss, plan, owner,
                         [&](const torch::Tensor& features, const auto& rows) {
                           std::vector<torch::Tensor> wanted;
                           for (const auto& layer : layers) wanted.push_back(rows(layer));
                           return student.match(features, wanted);
                         });
}

}  // namespace starling
