#pragma once
// Clipped sums of per-example gradients for stock torch::nn modules: the core of DP-SGD (Abadi et
// al. 2016). The autograd graph of the per-example losses is read; modules are neither wrapped nor
// replaced. For example b with gradient g_b over ALL trainable parameters, flat clipping adds
// g_b * min(1, C / |g_b|) to the sum. An example whose gradient is not finite contributes zero.

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace starling {

struct Clipping {
  enum class Kind {
    flat,       // one bound on the whole gradient
    per_layer,  // one bound a parameter; the sensitivity is sqrt(sum of squares)
    automatic,  // g_b * C / (|g_b| + stability) (Bu et al. 2023)
  };
  Kind kind = Kind::flat;
  double norm = 1.0;                // L2 bound C on one example's contribution, whatever the kind
  std::vector<double> layer_norms;  // per_layer: one a parameter, sqrt(sum of squares) == norm;
                                    // empty: norm / sqrt(parameters) each
  double stability = 0.01;          // automatic
};

// Private values: they describe single examples and may only reach the private log.
struct ClippedBackward {
  torch::Tensor norms;     // [B] float64, each example's gradient norm before clipping
  int64_t non_finite = 0;  // examples that contributed zero because their gradient was not finite
  int64_t clipped = 0;     // examples whose norm was above the bound
};

using NamedParameters = std::vector<std::pair<std::string, torch::Tensor>>;

// Parameters may be on any device, all on the same one, in float32 or float64. So that a sum is
// what its norms measured, LibTorch computes float32 in full, without TensorFloat-32, and cuDNN the
// same values each time, in the whole process from the first engine on.
class PerExampleGradients {
 public:
  // The trainable parameters in their fixed order, with names for messages; those that do not
  // require a gradient are ignored.
  explicit PerExampleGradients(NamedParameters parameters);
  ~PerExampleGradients();
  PerExampleGradients(PerExampleGradients&&) noexcept;
  PerExampleGradients& operator=(PerExampleGradients&&) noexcept;

  // losses: [B], one independent loss an example; consumes its graph. Adds the clipped sum to each
  // parameter's .grad (allocated where undefined, zero for B = 0), so that a logical batch may be
  // split into chunks. Errors: Error naming the operation when examples are mixed.
  ClippedBackward backward(const torch::Tensor& losses, const Clipping& clipping);

  // Operations of the last batch that have no rule, each with a parameter it uses: their gradients
  // are exact and cost one call of the operation an example.
  const std::vector<std::string>& without_rule() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace starling
