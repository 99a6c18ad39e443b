#pragma once
// Knowledge distillation (Hinton, Vinyals and Dean 2015, arXiv 1503.02531): a student learns from
// what a teacher answers, and so from how sure it is of every class, not from labels alone. The two
// share the examples' shape and the classes, and need no layer in common.
//
// Nothing here adds noise. A student has seen the examples that it is distilled on; where those are
// public, it is post-processing of the teacher and of nothing else.

#include <torch/types.h>

#include <cstdint>
#include <span>

#include "starling/nn/model.h"
#include "starling/train/layer_matching.h"
#include "starling/train/trainer.h"

namespace starling {

struct DistillationLoss {
  double temperature = 4.0;  // T > 0
  double hard_weight = 0.1;  // a in [0, 1]: what the labels weigh; 0 needs none
};

// softmax(logits / T) over the last dimension: probabilities as [..., classes].
torch::Tensor soften(const torch::Tensor& logits, double temperature);

// [B]: (1 - a) T^2 KL(targets || softmax(logits / T)) + a cross_entropy(logits, labels), of logits
// [B, classes], targets [B, classes] softened by the same T, and labels [B] or an undefined tensor
// where a = 0. T^2 keeps the two parts' gradients in proportion whatever T is (section 2.1).
torch::Tensor distillation_losses(const torch::Tensor& logits, const torch::Tensor& targets,
                                  const torch::Tensor& labels, const DistillationLoss& loss);

// [n, classes] on the CPU: the model's outputs for features [n, ...], in evaluation mode and
// without gradients, `batch_size` examples at a time. Leaves the model in evaluation mode.
torch::Tensor logits_of(Model& model, const torch::Tensor& features, int64_t batch_size);

// Trains the student toward `targets` [n, classes] as `train` does toward labels; data.labels may
// be undefined where nothing weighs them. Errors: Error where targets, data and loss do not fit.
LocalMetrics distill(Model& student, const Examples& data, const torch::Tensor& targets,
                     const DistillationLoss& loss, const LocalPlan& plan, const StreamOwner& owner);

// The same with the losses of the student's matches added, toward `layers` (layer_targets).
LocalMetrics distill(MatchedStudent& student, const Examples& data, const torch::Tensor& targets,
                     std::span<const torch::Tensor> layers, const DistillationLoss& loss,
                     const LocalPlan& plan, const StreamOwner& owner);

}  // namespace starling
