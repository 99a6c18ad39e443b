#include "starling/nn/per_example.h"

#include <utility>

#include "nn/graph/clipping.h"
#include "nn/graph/one_at_a_time.h"
#include "starling/core/error.h"

namespace starling {

class PerExampleGradients::Engine {
 public:
  explicit Engine(NamedParameters parameters) {
    for (auto& [name, parameter] : parameters) {
      if (!parameter.requires_grad()) continue;
      names_.push_back(name);
      leaves_.push_back(parameter);
    }
  }

  ClippedBackward backward(const torch::Tensor& losses, const Clipping& clipping) {
    graph::check_clipping(clipping, static_cast<int64_t>(leaves_.size()));
    if (losses.dim() != 1) {
      throw Error("losses: have " + std::to_string(losses.dim()) +
                  " dimensions; give one loss an example, shape [batch]");
    }
    return graph::one_at_a_time(losses, leaves_, clipping);
  }

 private:
  std::vector<std::string> names_;
  std::vector<torch::Tensor> leaves_;
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

}  // namespace starling
