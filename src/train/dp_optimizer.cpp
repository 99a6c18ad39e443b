#include "starling/train/dp_optimizer.h"

#include <torch/nn/modules/instancenorm.h>
#include <torch/optim/optimizer.h>

#include <algorithm>

#include "nn/batch_norm.h"
#include "nn/graph/clipping.h"
#include "starling/core/error.h"
#include "starling/privacy/event_json.h"
#include "train/release.h"

namespace starling {
namespace {

NamedParameters trainable(torch::nn::Module& module, const torch::optim::Optimizer& inner) {
  NamedParameters named;
  const auto is_listed = [&](const torch::Tensor& parameter) {
    return std::any_of(named.begin(), named.end(),
                       [&](const auto& item) { return item.second.is_same(parameter); });
  };
  // A tied parameter has several names and is noised once.
  for (const auto& item : module.named_parameters())
    if (item.value().requires_grad() && !is_listed(item.value()))
      named.emplace_back(item.key(), item.value());
  for (const auto& group : inner.param_groups()) {
    for (const auto& parameter : group.params()) {
      if (!parameter.requires_grad()) continue;
      if (!is_listed(parameter))
        throw Error(
            "the optimizer holds a trainable parameter that is not the module's; its "
            "gradient would be neither clipped nor noised");
    }
  }
  if (named.empty()) throw Error("the module has no trainable parameter");
  return named;
}

void check(const DpSgdPlan& plan) {
  plan.validate();
  if (!(plan.noise_multiplier > 0))
    throw InputError("noise_multiplier", "must be above 0: without noise there is no privacy");
}

Clipping clipping_of(const DpSgdPlan& plan) {
  Clipping clipping;
  clipping.norm = plan.clip_norm;
  return clipping;
}

template <class Norm>
bool keeps_statistics(const torch::nn::Module& module) {
  const auto* norm = module.as<Norm>();
  return norm != nullptr && norm->options.track_running_stats();
}

bool mixes_examples(const torch::nn::Module& module) {
  namespace nn = torch::nn;
  return is_batch_norm(module) || keeps_statistics<nn::InstanceNorm1dImpl>(module) ||
         keeps_statistics<nn::InstanceNorm2dImpl>(module) ||
         keeps_statistics<nn::InstanceNorm3dImpl>(module);
}

}  // namespace

void refuse_cross_example_layers(torch::nn::Module& module) {
  for (const auto& item : module.named_modules("model")) {
    if (mixes_examples(*item.value()))
      throw Error(item.key() + " (" + item.value()->name() +
                  ") mixes examples or keeps their statistics, so that clipping one example does "
                  "not bound its influence; use group_norm instead");
  }
}

DpOptimizer::DpOptimizer(torch::nn::Module& module, torch::optim::Optimizer& inner,
                         const DpSgdPlan& plan, PrivacyLedger& ledger, const RandomKey& key)
    : inner_(inner),
      plan_(plan),
      clipping_(clipping_of(plan)),
      owner_{key},
      ledger_(&ledger),
      parameters_(trainable(module, inner)) {
  check(plan);
  set_noise(NoiseKind::fast);
  refuse_cross_example_layers(module);
}

DpOptimizer::DpOptimizer(torch::nn::Module& module, torch::optim::Optimizer& inner,
                         const DpSgdPlan& plan, const LedgerEntry& recorded, int64_t steps,
                         const StreamOwner& owner)
    : inner_(inner),
      plan_(plan),
      clipping_(clipping_of(plan)),
      owner_(owner),
      allowed_steps_(steps),
      parameters_(trainable(module, inner)) {
  check_recorded(plan, recorded, steps, owner);
  set_noise(NoiseKind::fast);
  refuse_cross_example_layers(module);
}

DpOptimizer::~DpOptimizer() = default;

LedgerEntry ledger_entry(const DpSgdPlan& plan, int64_t steps, int64_t client, int64_t round) {
  LedgerEntry entry;
  entry.unit = Unit::example;
  entry.client = client;
  entry.round = round;
  entry.relation = plan.relation;
  entry.event = plan.event(1);
  entry.count = plan.releases(steps);
  return entry;
}

void check_recorded(const DpSgdPlan& plan, const LedgerEntry& recorded, int64_t steps,
                    const StreamOwner& owner) {
  check(plan);
  const LedgerEntry expected = ledger_entry(plan, steps, owner.client, owner.round);
  if (to_json(recorded.event) != to_json(expected.event) || recorded.count != expected.count ||
      recorded.relation != expected.relation || recorded.client != expected.client ||
      recorded.round != expected.round)
    throw Error("the ledger's line of client " + std::to_string(owner.client) + ", round " +
                std::to_string(owner.round) + " does not count the plan's steps");
}

void DpOptimizer::set_noise(NoiseKind kind) {
  if (accumulating_) throw Error("the noise of a step is chosen before its first backward");
  release_ = kind == NoiseKind::secure ? grid_release(parameters_, plan_)
                                       : float_release(parameters_, plan_);
}

void DpOptimizer::begin_step() {
  if (!accumulating_) release_->begin();
  accumulating_ = true;
}

ClippedBackward DpOptimizer::backward(const torch::Tensor& losses) {
  begin_step();
  return release_->add(losses, clipping_);
}

ClippedBackward DpOptimizer::add_example(const std::vector<torch::Tensor>& gradients) {
  const bool fit =
      std::ranges::equal(gradients, parameters_, [](const auto& gradient, const auto& parameter) {
        return gradient.sizes() == parameter.second.sizes();
      });
  if (!fit) throw Error("the gradient of an example has another shape than the parameters");
  graph::check_clipping(clipping_, std::ssize(parameters_));
  begin_step();
  return release_->add_example(gradients, clipping_);
}

void DpOptimizer::pay_for_step() {
  if (ledger_ != nullptr) {
    ledger_->record(plan_.event(1), plan_.relation);
  } else if (steps_ >= allowed_steps_) {
    throw Error("the ledger's line of client " + std::to_string(owner_.client) + ", round " +
                std::to_string(owner_.round) + " counts " + std::to_string(allowed_steps_) +
                " steps; one more is refused");
  }
}

void DpOptimizer::step() {
  pay_for_step();
  begin_step();
  // Two optimizers that share key and ledger take turns in its lines, never in a stream.
  const int64_t position = ledger_ != nullptr ? ledger_->head().lines : steps_;
  RandomStream stream(owner_.key, {Purpose::noise, owner_.client, owner_.round, position});
  torch::NoGradGuard no_grad;
  release_->finish(stream);
  inner_.step();
  accumulating_ = false;
  ++steps_;
}

}  // namespace starling
