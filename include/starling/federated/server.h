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
#include "starling/federated/robust.h"
#include "starling/federated/strategy.h"
#include "starling/federated/update_sum.h"
#include "starling/nn/flat_state.h"
#include "starling/privacy/mechanism.h"
#include "starling/privacy/round_plan.h"
#include "starling/privacy/sum_plan.h"

namespace torch::nn {
class Module;
}

namespace starling {

struct ServerOptions {
  int64_t population = 1;    // clients of the federation
  int64_t total_weight = 1;  // the largest that a round's weights can add up to: a public constant
  // Of each client, as registered before the run: an update that claims more is left out. Empty:
  // claims are taken as they come.
  std::vector<int64_t> examples = {};
  double update_range = 1024.0;  // without client-level privacy: |coordinate of an upload|, at most
  std::optional<RoundPlan> privacy;  // at client level
  // At example level where the server adds the noise: uploads are sums of clipped gradients, each
  // of weight 1. Not with `privacy`.
  std::optional<SumPlan> example_sums;
  UpdateClipping clipping = UpdateClipping::flat;
  NoiseKind noise = NoiseKind::fast;
  RobustSpec aggregation;           // in the place of the mean; without client-level privacy only
  std::vector<TensorPlace> places;  // of the model, for strategies that keep layers at clients
};

// Every parameter and buffer with the kind of its module: "Linear" for torch::nn::Linear.
std::vector<TensorPlace> places_of(const torch::nn::Module& module);

// Weights of all `sizes` clients under the strategy: what ServerOptions::total_weight takes where
// every client may take part in a round.
int64_t total_weight(const Strategy& strategy, const std::vector<int64_t>& sizes);

class Collector;

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

  // Whether clients keep this part of the layout to themselves.
  bool keeps_local(size_t part) const { return kept_[part]; }
  int64_t kept_size() const { return kept_size_; }  // coordinates of those parts
  // Whether the wire takes uploads as they are: nothing in them belongs to a part that is kept.
  bool sends_whole_upload() const;

  // Ends the collector's round: adds the noise of the plan, if any, to its sum and changes the
  // global model. Without privacy a round without uploads leaves it as it is; so does one with
  // fewer than a robust rule needs, which is logged. Errors: Error where the noise would wrap, the
  // model would not be finite, or an upload of example sums was left out (why can depend on one
  // example, which would then remove a whole client); the global model is then unchanged.
  void finish(Collector& round, const RandomKey& key);

  double clip_norm() const { return clip_norm_; }  // present; public
  // For checkpoints: global model and clip norm; the strategy's slots are restored by themselves.
  void restore(const StateDict& global, double clip_norm);

 private:
  void add_noise(UpdateSum& sum, int64_t round, const RandomKey& key) const;
  void finish_example_sums(UpdateSum& sum, int64_t round, const RandomKey& key);
  void adapt_clip_norm(const UpdateSum& sum, int64_t round, const RandomKey& key);
  std::vector<double> mean_of(const UpdateSum& sum) const;
  void apply(const std::vector<double>& values, const UpdateSum& sum);

  StateDict global_;
  FlatLayout layout_;
  std::unique_ptr<Strategy> strategy_;
  ServerOptions options_;
  Grid grid_;
  double clip_norm_ = 0.0;
  std::vector<bool> kept_;  // by part of the layout
  int64_t kept_size_ = 0;
};

}  // namespace starling
