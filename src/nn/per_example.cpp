#include "starling/nn/per_example.h"

#include <string>
#include <utility>

#include "nn/graph/clipped_backward.h"
#include "nn/graph/clipping.h"
#include "nn/graph/full_precision.h"
#include "nn/graph/one_at_a_time.h"
#include "starling/core/error.h"

namespace starling {

class PerExampleGradients::Engine {
 public:
  explicit Engine(NamedParameters parameters) {
    graph::use_full_precision();
    for (auto& [name, parameter] : parameters) {
      if (!parameter.requires_grad()) continue;
      // A tied tensor is listed under each of its names; the first one stands for it.
      const size_t next = leaves_.tensors.size();
      if (!leaves_.index.emplace(parameter.unsafeGetTensorImpl(), next).second) continue;
      leaves_.names.push_back(name);
      leaves_.tensors.push_back(parameter);
    }
    if (leaves_.tensors.empty()) throw Error("per-example gradients: no parameter is trainable");
  }

  ClippedBackward backward(const torch::Tensor& losses, const Clipping& clipping) {
    graph::use_full_precision();
    graph::check_clipping(clipping, static_cast<int64_t>(leaves_.tensors.size()));
    if (losses.dim() != 1) {
      throw Error("losses: have " + std::to_string(losses.dim()) +
                  " dimensions; give one loss an example, shape [batch]");
    }
    without_rule_.clear();
    if (losses.size(0) == 0) return empty_batch();
    if (!losses.requires_grad()) {
      throw Error("losses: do not depend on any trainable parameter");
    }
    return graph::clipped_backward(losses, leaves_, clipping, without_rule_);
  }

  const std::vector<std::string>& without_rule() const { return without_rule_; }

 private:
  ClippedBackward empty_batch() const {
    for (const auto& leaf : leaves_.tensors) graph::add_to_grad(leaf, torch::zeros_like(leaf));
    ClippedBackward report;
    report.norms = torch::zeros({0}, torch::kFloat64);
    return report;
  }

  graph::Leaves leaves_;
  std::vector<std::string> without_rule_;
};

PerExampleGradients::PerExampleGradients(NamedParameters parameters)
    : engine_(std::make_unique<Engine>(std::move(parameters))) {}
PerExampleGradients::~PerExampleGradients() = default;
PerExampleGradients::PerExampleGradients(PerExampleGradients&&) noexcept = default;
PerExampleGradients& PerExampleGradients::operator=(PerExampleGradients&&) noexcept = default;

ClippedBackward PerExampleGradients::backward(const torch::Tensor& losses,
                                              const Clipping& clipping) {
  return engine_->backward(losses, clipping);
}

const std::vector<std::string>& PerExampleGradients::without_rule() const {
  return engine_->without_rule();
}

}  // namespace starling
