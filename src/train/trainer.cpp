#include "starling/train/trainer.h"

#include <torch/optim/optimizer.h>

#include <algorithm>
#include <cmath>

#include "starling/core/error.h"
#include "starling/train/dp_optimizer.h"
#include "starling/train/optimizer.h"
#include "train/batch_loop.h"
#include "train/fused_network.h"

namespace starling {
namespace {

using Indices = std::vector<int64_t>;

std::vector<torch::Tensor> trainable_parameters(const Model& model) {
  std::vector<torch::Tensor> parameters;
  for (const auto& parameter : model.parameters())
    if (parameter.requires_grad()) parameters.push_back(parameter);
  if (parameters.empty()) throw Error("the model has no trainable parameter");
  return parameters;
}

std::unique_ptr<torch::optim::Optimizer> optimizer_of(const Model& model, const LocalPlan& plan,
                                                      double noise_deviation = 0.0) {
  return corrected(make_optimizer(plan.optimizer, trainable_parameters(model),
                                  plan.learning_rate_factor, noise_deviation),
                   plan.correction);
}

void report(const ClippedBackward& result, LocalMetrics& metrics) {
  metrics.clipped += result.clipped;
  metrics.non_finite += result.non_finite;
}

// One physical chunk after the other, so that memory is bounded by `physical_batch`.
template <class Backward>
void backward_in_chunks(Model& model, const Examples& data, const Indices& indices,
                        int64_t physical_batch, LocalMetrics& metrics, Backward backward) {
  const auto count = static_cast<int64_t>(indices.size());
  for (int64_t first = 0; first < count; first += physical_batch) {
    const int64_t last = std::min(count, first + physical_batch);
    const auto batch = data.at({indices.begin() + first, indices.begin() + last});
    const auto losses = example_losses(model, batch);
    metrics.loss_sum += losses.detach().sum(torch::kDouble).item<double>();
    report(backward(losses), metrics);
  }
}

void add_one_by_one(const Indices& indices, fused::ExampleGradient& gradient, DpOptimizer& dp,
                    LocalMetrics& metrics) {
  for (const int64_t index : indices) {
    const double loss = gradient.compute(index);
    metrics.loss_sum += loss;
    if (std::isfinite(loss))
      report(dp.add_example(gradient.gradients()), metrics);
    else
      ++metrics.non_finite;
  }
}

// Shuffled and fixed batches are accounted for by the number of examples that the plan names.
void refuse_other_data(const DpSgdPlan& plan, int64_t examples) {
  if (plan.sampling == SamplingKind::poisson || plan.examples == examples) return;
  throw Error("the plan accounts for " + std::to_string(plan.examples) + " examples with " +
              to_string(plan.sampling) + " sampling, and the data holds another number");
}

BatchSampler private_sampler(const DpSgdPlan& plan, int64_t examples, const StreamOwner& owner) {
  return {plan.sampling, examples, plan.batch_size, plan.sample_rate, owner};
}

template <class Step>
LocalMetrics for_each_batch(BatchSampler& sampler, int64_t steps, Step step) {
  LocalMetrics metrics;
  for (; metrics.steps < steps; ++metrics.steps) {
    const auto indices = sampler.batch(metrics.steps);
    step(indices, metrics);
    metrics.examples += static_cast<int64_t>(indices.size());
  }
  return metrics;
}

void append(std::vector<double>& to, const std::vector<double>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void judge_two_classes(const torch::Tensor& logits, const Examples& batch, Evaluation& total) {
  const auto predicted = logits.argmax(1).to(torch::kCPU);
  const auto scores = (logits.select(1, 1) - logits.select(1, 0)).to(torch::kCPU, torch::kDouble);
  const auto labels = batch.labels.to(torch::kCPU);
  for (int64_t i = 0; i < batch.size(); ++i) {
    const bool positive = labels.const_data_ptr<int64_t>()[i] == 1;
    const bool said_so = predicted.const_data_ptr<int64_t>()[i] == 1;
    total.predicted_positives += said_so ? 1 : 0;
    total.true_positives += said_so && positive ? 1 : 0;
    (positive ? total.positive_scores : total.negative_scores)
        .push_back(scores.const_data_ptr<double>()[i]);
  }
}

torch::Tensor losses_of(const torch::Tensor& outputs, const Examples& batch) {
  if (!batch.is_regression())
    return at::cross_entropy_loss(outputs, batch.labels, /*weight=*/{}, at::Reduction::None);
  if (outputs.dim() != 2 || outputs.size(1) != 1)
    throw Error("a regression needs a model with one output an example");
  return at::mse_loss(outputs.squeeze(1), batch.labels, at::Reduction::None);
}

}  // namespace

Examples Examples::at(const std::vector<int64_t>& indices) const {
  const auto index = torch::tensor(indices, torch::kLong).to(features.device());
  return {features.index_select(0, index), labels.index_select(0, index)};
}

Examples Examples::to(torch::Device device) const {
  return {features.to(device), labels.to(device)};
}

LocalMetrics& LocalMetrics::operator+=(const LocalMetrics& other) {
  steps += other.steps;
  examples += other.examples;
  loss_sum += other.loss_sum;
  clipped += other.clipped;
  non_finite += other.non_finite;
  return *this;
}

torch::Tensor example_losses(Model& model, const Examples& batch) {
  const Examples there = batch.to(device_of(model));
  return losses_of(model.forward(there.features), there);
}

LocalMetrics descend(Model& model, int64_t examples, const LocalPlan& plan,
                     const StreamOwner& owner, const BatchLosses& losses) {
  model.train();
  BatchSampler sampler(plan.sampling, examples, plan.batch_size, plan.sample_rate, owner);
  const auto optimizer = optimizer_of(model, plan);
  return for_each_batch(sampler, plan.steps, [&](const Indices& indices, LocalMetrics& metrics) {
    if (indices.empty()) return;
    optimizer->zero_grad();
    const auto loss = losses(indices).mean();
    loss.backward();
    optimizer->step();
    metrics.loss_sum += loss.item<double>() * static_cast<double>(indices.size());
  });
}

LocalMetrics train(Model& model, const Examples& data, const LocalPlan& plan,
                   const StreamOwner& owner) {
  model.train();
  if (const auto network = fused::network_for(model, data, plan)) {
    BatchSampler sampler(plan.sampling, data.size(), plan.batch_size, plan.sample_rate, owner);
    return for_each_batch(sampler, plan.steps, [&](const Indices& indices, LocalMetrics& metrics) {
      metrics.loss_sum += network->step(indices);
    });
  }
  return descend(model, data.size(), plan, owner,
                 [&](const Indices& indices) { return example_losses(model, data.at(indices)); });
}

LocalMetrics train_privately(Model& model, const Examples& data, const LocalPlan& plan,
                             const ExampleLevel& privacy, const StreamOwner& owner) {
  refuse_other_data(privacy.plan, data.size());
  model.train();
  const auto optimizer =
      optimizer_of(model, plan, privacy.plan.noise_standard_deviation() / privacy.plan.divisor());
  DpOptimizer dp(model, *optimizer, privacy.plan, privacy.recorded, plan.steps, owner);
  dp.set_clipping(privacy.clipping);
  dp.set_noise(privacy.noise);
  BatchSampler sampler = private_sampler(privacy.plan, data.size(), owner);
  const bool secure = privacy.noise == NoiseKind::secure;
  if (const auto gradient = secure ? fused::example_gradient_for(model, data) : nullptr) {
    return for_each_batch(sampler, plan.steps, [&](const Indices& indices, LocalMetrics& metrics) {
      add_one_by_one(indices, *gradient, dp, metrics);
      dp.step();
    });
  }
  const int64_t chunk = secure ? 1 : plan.physical_batch;
  return for_each_batch(sampler, plan.steps, [&](const Indices& indices, LocalMetrics& metrics) {
    backward_in_chunks(model, data, indices, chunk, metrics,
                       [&](const torch::Tensor& losses) { return dp.backward(losses); });
    dp.step();
  });
}

LocalMetrics sum_clipped(Model& model, const Examples& data, const LocalPlan& plan,
                         const ExampleLevel& privacy, const StreamOwner& owner) {
  if (plan.steps != 1) throw Error("a sum of clipped gradients is of one step");
  if (privacy.noise == NoiseKind::secure)
    throw Error("secure noise needs sums in integers, and these are floating-point");
  refuse_other_data(privacy.plan, data.size());
  check_recorded(privacy.plan, privacy.recorded, plan.steps, owner);
  refuse_cross_example_layers(model);
  model.train();
  NamedParameters parameters;
  for (const auto& item : model.named_parameters()) {
    // Its gradient would be uploaded twice, and one example move the sum by more than the clip.
    for (const auto& [name, earlier] : parameters)
      if (earlier.is_same(item.value()))
        throw Error(item.key() + " is the same parameter as " + name +
                    "; tied parameters do not go with noise that the server adds");
    item.value().mutable_grad() = torch::Tensor();
    parameters.emplace_back(item.key(), item.value());
  }
  PerExampleGradients gradients(parameters);
  Clipping clipping;
  clipping.kind = privacy.clipping;
  clipping.norm = privacy.plan.clip_norm;
  BatchSampler sampler = private_sampler(privacy.plan, data.size(), owner);
  return for_each_batch(sampler, plan.steps, [&](const Indices& indices, LocalMetrics& metrics) {
    backward_in_chunks(
        model, data, indices, plan.physical_batch, metrics,
        [&](const torch::Tensor& losses) { return gradients.backward(losses, clipping); });
  });
}

double Evaluation::accuracy() const {
  return examples == 0 ? 0.0 : static_cast<double>(correct) / static_cast<double>(examples);
}

double Evaluation::loss() const {
  return examples == 0 ? 0.0 : loss_sum / static_cast<double>(examples);
}

std::optional<double> Evaluation::f1() const {
  const int64_t named = predicted_positives + std::ssize(positive_scores);
  if (named == 0) return std::nullopt;
  return 2.0 * static_cast<double>(true_positives) / static_cast<double>(named);
}

std::optional<double> Evaluation::auc() const {
  const auto finite = [](double score) { return std::isfinite(score); };
  if (positive_scores.empty() || negative_scores.empty() ||
      !std::ranges::all_of(positive_scores, finite) ||
      !std::ranges::all_of(negative_scores, finite))
    return std::nullopt;
  auto sorted = negative_scores;
  std::ranges::sort(sorted);
  double won = 0.0;  // pairs; whole and half numbers, exact below 2^52
  for (const double score : positive_scores) {
    const auto ties = std::ranges::equal_range(sorted, score);
    won += static_cast<double>(std::distance(sorted.begin(), ties.begin())) +
           0.5 * static_cast<double>(std::ssize(ties));
  }
  return won / (static_cast<double>(positive_scores.size()) *
                static_cast<double>(negative_scores.size()));
}

Evaluation& Evaluation::operator+=(const Evaluation& other) {
  correct += other.correct;
  examples += other.examples;
  loss_sum += other.loss_sum;
  true_positives += other.true_positives;
  predicted_positives += other.predicted_positives;
  append(positive_scores, other.positive_scores);
  append(negative_scores, other.negative_scores);
  return *this;
}

Evaluation evaluate(Model& model, const Examples& data, int64_t batch_size) {
  model.eval();
  torch::NoGradGuard no_grad;
  const auto device = device_of(model);
  Evaluation total;
  for (int64_t first = 0; first < data.size(); first += batch_size) {
    const int64_t last = std::min(first + batch_size, data.size());
    const auto batch =
        Examples{data.features.slice(0, first, last), data.labels.slice(0, first, last)}.to(device);
    const auto outputs = model.forward(batch.features);
    if (!data.is_regression())
      total.correct += outputs.argmax(1).eq(batch.labels).sum().item<int64_t>();
    if (!data.is_regression() && outputs.size(1) == 2) judge_two_classes(outputs, batch, total);
    total.loss_sum += losses_of(outputs, batch).sum(torch::kDouble).item<double>();
    total.examples += last - first;
  }
  return total;
}

}  // namespace starling
