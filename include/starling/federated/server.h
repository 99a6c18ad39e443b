#pragma once
// The server holds the global model, says how uploads enter a round's sum, and turns the sum into
// the next global model. Under client-level privacy it clips every upload itself, adds the noise
// and divides by a public constant, all from one RoundPlan.
//
// Only floating values are summed; integer buffers (counters of batches) stay the initial model's.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "starling/core/random.h"
#include "starling/federated/strategy.h"
#include "starling/federated/update_sum.h"
#include "starling/nn/flat_state.h"
#include "starling/privacy/mechanism.h"
#include "starling/privacy/round_plan.h"

namespace starling {

struct ServerOptions {
  int64_t population = 1;    // clients of the federation
  int64_t total_weight = 1;  // the largest that a round's weights can add up to: a public constant
  double update_range = 1024.0;  // without client-level privacy: |coordinate of an upload|, at most
  std::optional<RoundPlan> privacy;  // at client level
  UpdateClipping clipping = UpdateClipping::flat;
  NoiseKind noise = NoiseKind::fast;
};

// Weights of all `sizes` clients under the strategy: what ServerOptions::total_weight takes where
// every client may take part in a round.
int64_t total_weight(const Strategy& strategy, const std::vector<int64_t>& sizes);

class Server {
 public:
  // Errors: Error where the initial model is not finite or no grid fits the options.
  Server(StateDict initial, std::unique_ptr<Strategy> strategy, const ServerOptions& options = {});

  const StateDict& global() const { return global_; }
  const FlatLayout& layout() const { return layout_; }
  const Strategy& strategy() const { return *strategy_; }
  Strategy& strategy() { return *strategy_; }
  const ServerOptions& options() const { return options_; }

  // This round's rule; it changes between rounds under adaptive clipping.
  SumRule rule() const;
  // Of a client with `examples` examples; capped under client-level privacy.
  int64_t weight_of(int64_t examples) const;

  // Ends round `round`: adds the noise of the plan, if any, to `sum` and changes the global model.
  // Without privacy an empty sum leaves it as it is. Errors: Error where the noise would wrap or
  // the model would not be finite; the global model is then unchanged.
  void finish(UpdateSum& sum, int64_t round, const RandomKey& key);

  double clip_norm() const { return clip_norm_; }  // present; public
  // For checkpoints: global model and clip norm; the strategy's slots are restored by themselves.
  void restore(const StateDict& global, double clip_norm);

 private:
  void add_noise(UpdateSum& sum, int64_t round, const RandomKey& key) const;
  void adapt_clip_norm(const UpdateSum& sum, int64_t round, const RandomKey& key);
  void apply(const UpdateSum& sum);

  StateDict global_;
  FlatLayout layout_;
  std::unique_ptr<Strategy> strategy_;
  ServerOptions options_;
  Grid grid_;
  double clip_norm_ = 0.0;
};

}  // namespace starling
