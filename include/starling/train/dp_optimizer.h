#pragma once
// DP-SGD around any torch::optim::Optimizer (Abadi et al. 2016, algorithm 1). One step releases
//   (sum_b clip(g_b, C) + N(0, (noise_multiplier C)^2 I)) / divisor
// as the inner optimizer's gradient; clip, noise, divisor and the ledger's event come from one
// DpSgdPlan. Neighbours differ as `plan.relation` says. An empty batch still takes a noised step.
//
// The module may be on any device; noise is drawn on the CPU. Random layers (dropout) need secret
// masks (random_layers.h), which LibTorch draws on the CPU only.

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "starling/core/random.h"
#include "starling/nn/per_example.h"
#include "starling/privacy/ledger.h"
#include "starling/privacy/mechanism.h"
#include "starling/privacy/plan.h"
#include "starling/train/batches.h"

namespace torch::nn {
class Module;
}
namespace torch::optim {
class Optimizer;
}

namespace starling {

class GradientRelease;

class DpOptimizer {
 public:
  // Each step records its event in `ledger` before its noise is drawn. `key` should come from
  // RandomKey::from_system(): a key from a seed gives repeatable noise and NO DP GUARANTEE.
  // Module, optimizer and ledger must outlive this object; the optimizer's parameters must be the
  // module's. Errors: Error naming the module where a layer mixes examples (batch normalisation),
  // InputError where the plan is invalid or has no noise.
  DpOptimizer(torch::nn::Module& module, torch::optim::Optimizer& inner, const DpSgdPlan& plan,
              PrivacyLedger& ledger, const RandomKey& key);
  // For a round whose line the ledger holds already: allows the `steps` that line counts, no more.
  // Errors: also where the line counts another event than the plan's.
  DpOptimizer(torch::nn::Module& module, torch::optim::Optimizer& inner, const DpSgdPlan& plan,
              const LedgerEntry& recorded, int64_t steps, const StreamOwner& owner);
  ~DpOptimizer();

  // flat by default; whatever the kind, one example moves the sum by at most plan.clip_norm.
  void set_clipping(Clipping::Kind kind) { clipping_.kind = kind; }
  // fast by default. secure: integer sums on a grid with exactly drawn noise, the same event;
  // backward then takes one example a call. Errors: Error between backward and step.
  void set_noise(NoiseKind kind);

  // losses: [B] per-example losses of this step's batch, or of one chunk of it when called several
  // times. Gradients that the parameters held before the step's first call are dropped.
  ClippedBackward backward(const torch::Tensor& losses);
  // In the place of backward for one example whose gradient is known, one tensor for each of the
  // module's trainable parameters, in their order and shapes. Errors: Error where they do not fit,
  // or where the noise is not secure.
  ClippedBackward add_example(const std::vector<torch::Tensor>& gradients);
  // Noise, divide, inner step, clear. Without a backward since the last step: an empty batch.
  void step();

  int64_t steps() const { return steps_; }
  const DpSgdPlan& plan() const { return plan_; }

 private:
  void begin_step();
  void pay_for_step();

  torch::optim::Optimizer& inner_;
  DpSgdPlan plan_;
  Clipping clipping_;
  StreamOwner owner_;
  PrivacyLedger* ledger_ = nullptr;
  int64_t allowed_steps_ = 0;
  NamedParameters parameters_;
  std::unique_ptr<GradientRelease> release_;
  int64_t steps_ = 0;
  bool accumulating_ = false;
};

// The ledger line of `steps` steps under the plan; the caller fills in run, config and stream.
LedgerEntry ledger_entry(const DpSgdPlan& plan, int64_t steps, int64_t client, int64_t round);

// Throws unless the plan is valid, has noise, and `recorded` counts its `steps` steps by this
// owner.
void check_recorded(const DpSgdPlan& plan, const LedgerEntry& recorded, int64_t steps,
                    const StreamOwner& owner);

// Throws Error with the path of the first layer whose output for one example depends on others, or
// that keeps statistics of the data: batch normalisation in training mode, running statistics.
void refuse_cross_example_layers(torch::nn::Module& module);

}  // namespace starling
