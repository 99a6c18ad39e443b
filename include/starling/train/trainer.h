#pragma once
// Local training of a classifier or a regression: one loop for plain and for private training.

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "starling/nn/model.h"
#include "starling/nn/per_example.h"
#include "starling/privacy/ledger.h"
#include "starling/privacy/mechanism.h"
#include "starling/privacy/plan.h"
#include "starling/train/batches.h"
#include "starling/train/correction.h"
#include "starling/train/optimizer_spec.h"

namespace starling {

struct Examples {
  torch::Tensor features;  // [n, ...] float
  torch::Tensor labels;    // [n] int64 classes, or float numbers to predict: a regression

  int64_t size() const { return labels.defined() ? labels.size(0) : 0; }
  bool is_regression() const { return labels.defined() && labels.is_floating_point(); }
  Examples at(const std::vector<int64_t>& indices) const;
  Examples to(torch::Device device) const;
};

// What a client does in one round, apart from privacy.
struct LocalPlan {
  int64_t steps = 1;
  SamplingKind sampling = SamplingKind::shuffle;
  int64_t batch_size = 32;
  double sample_rate = 1.0;  // poisson
  OptimizerSpec optimizer;
  double learning_rate_factor = 1.0;  // of the schedule, this round
  int64_t physical_batch = 256;  // private training: examples a backward pass, at most; changes
                                 // memory and speed, not the result beyond rounding
  std::shared_ptr<const GradientCorrection> correction;  // of the strategy; null: none
};

// Private values in a DP run: they may only reach the private log.
struct LocalMetrics {
  int64_t steps = 0;
  int64_t examples = 0;    // example visits
  double loss_sum = 0.0;   // over the visits
  int64_t clipped = 0;     // visits whose gradient norm was above the bound
  int64_t non_finite = 0;  // visits that contributed zero

  LocalMetrics& operator+=(const LocalMetrics& other);
};

// A model may be on any device. Examples stay where they are, on the CPU as a rule, and go to the
// model's device a batch at a time.

// [B]: cross-entropy of logits [B, classes] against labels [B]; of a regression, the squared error
// of outputs [B, 1].
torch::Tensor example_losses(Model& model, const Examples& batch);

// Plain training: the mean loss of each batch; an empty batch is skipped. Leaves the result in the
// model, which is in training mode afterwards.
LocalMetrics train(Model& model, const Examples& data, const LocalPlan& plan,
                   const StreamOwner& owner);

// Example-level privacy of one round.
struct ExampleLevel {
  DpSgdPlan plan;
  LedgerEntry recorded;  // the line that counts this round, durable before training
  Clipping::Kind clipping = Clipping::Kind::flat;
  NoiseKind noise = NoiseKind::fast;
};

// DP-SGD: batches, clip, noise and divisor come from `privacy`; `plan` decides the steps, the inner
// optimizer and its rate. Secure noise takes one example a backward pass, whatever physical_batch.
LocalMetrics train_privately(Model& model, const Examples& data, const LocalPlan& plan,
                             const ExampleLevel& privacy, const StreamOwner& owner);

// The sum of clipped example gradients over one batch, in the parameters' .grad: neither noised nor
// divided, hence for a server that is trusted to add the noise of `privacy.plan`. plan.steps is 1;
// the parameters stay as they are. Errors: Error for secure noise, which needs integer sums.
LocalMetrics sum_clipped(Model& model, const Examples& data, const LocalPlan& plan,
                         const ExampleLevel& privacy, const StreamOwner& owner);

struct Evaluation {
  int64_t correct = 0;  // 0 for a regression
  int64_t examples = 0;
  double loss_sum = 0.0;
  // Of two classes; class 1 is the positive one, and its score is its logit minus that of class 0.
  int64_t true_positives = 0;
  int64_t predicted_positives = 0;
  std::vector<double> positive_scores, negative_scores;  // of the examples of each class

  double accuracy() const;  // [0, 1]; 0 for no examples
  double loss() const;      // mean cross-entropy, nats, or mean squared error
  // 2 TP / (predicted + actual positives); absent where that is 0 / 0 or there are not two classes.
  std::optional<double> f1() const;
  // The probability that a positive example scores above a negative one, ties counting half: the
  // area under the ROC curve (Hanley and McNeil 1982). Absent without examples of both classes, and
  // where a score is not finite.
  std::optional<double> auc() const;
  Evaluation& operator+=(const Evaluation& other);
};
// In evaluation mode and without gradients; leaves the model in evaluation mode.
Evaluation evaluate(Model& model, const Examples& data, int64_t batch_size);

}  // namespace starling
