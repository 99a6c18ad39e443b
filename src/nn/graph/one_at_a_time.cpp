#include "nn/graph/one_at_a_time.h"

#include <torch/csrc/autograd/autograd.h>

#include "nn/graph/clipping.h"
#include "starling/core/error.h"

namespace starling::graph {
namespace {

std::vector<torch::Tensor> gradient_of(const torch::Tensor& loss,
                                       const std::vector<torch::Tensor>& leaves) {
  return torch::autograd::grad({loss}, leaves, {}, /*retain_graph=*/true, /*create_graph=*/false,
                               /*allow_unused=*/true);
}

torch::Tensor squared_norms_of(const std::vector<torch::Tensor>& gradients) {
  auto squares = torch::zeros({static_cast<int64_t>(gradients.size()), 1}, torch::kFloat64);
  for (size_t p = 0; p < gradients.size(); ++p) {
    if (!gradients[p].defined()) continue;
    squares[p][0] = gradients[p].to(torch::kFloat64).square().sum().cpu();
  }
  return squares;
}

// An activation that is not finite makes 0 * inf in the gradient of every loss: then no example can
// be told from another.
void check_separable(const torch::Tensor& losses, const std::vector<torch::Tensor>& leaves) {
  const auto gradients = torch::autograd::grad({losses}, leaves, {torch::zeros_like(losses)}, true,
                                               false, /*allow_unused=*/true);
  for (const auto& gradient : gradients) {
    if (!gradient.defined() || gradient.isfinite().all().item<bool>()) continue;
    throw Error(
        "an example of the batch has activations that are not finite, and it cannot be left out of "
        "the others' gradients; lower the learning rate, or check that the data are finite");
  }
}

}  // namespace

ClippedBackward one_at_a_time(const torch::Tensor& losses, const std::vector<torch::Tensor>& leaves,
                              const Clipping& clipping) {
  const int64_t batch = losses.size(0);
  ClippedBackward report;
  report.norms = torch::zeros({batch}, torch::kFloat64);
  std::vector<torch::Tensor> sums;
  for (const auto& leaf : leaves) {
    sums.push_back(torch::zeros(leaf.sizes(), leaf.options().dtype(torch::kFloat64)));
  }
  at::AutoGradMode with_grad(true);
  for (int64_t b = 0; b < batch && losses.requires_grad() && !leaves.empty(); ++b) {
    const auto gradients = gradient_of(losses[b], leaves);
    torch::NoGradGuard no_grad;
    const auto factors =
        clip_factors(squared_norms_of(gradients), clipping, leaves[0].scalar_type());
    report.norms[b] = factors.report.norms[0];
    report.non_finite += factors.report.non_finite;
    report.clipped += factors.report.clipped;
    if (factors.report.non_finite > 0) {
      check_separable(losses, leaves);
      continue;
    }
    for (size_t p = 0; p < leaves.size(); ++p) {
      if (!gradients[p].defined()) continue;
      sums[p].add_(gradients[p].to(torch::kFloat64), factors.values[p][0].item<double>());
    }
  }
  for (size_t p = 0; p < leaves.size(); ++p) add_to_grad(leaves[p], sums[p]);
  return report;
}

void add_to_grad(const torch::Tensor& leaf, const torch::Tensor& sum) {
  torch::NoGradGuard no_grad;
  auto& gradient = const_cast<torch::Tensor&>(leaf).mutable_grad();
  if (gradient.defined()) {
    gradient.add_(sum.to(leaf.scalar_type()));
    return;
  }
  // A gradient is never a view and never shares memory: zero_grad and later sums write into it.
  const bool owned =
      sum.storage().use_count() == 1 && sum.strides() == leaf.strides() &&
      sum.sizes() == leaf.sizes() && sum.scalar_type() == leaf.scalar_type() &&
      static_cast<int64_t>(sum.storage().nbytes() / sum.element_size()) == sum.numel();
  gradient = owned ? sum.variable_data()
                   : torch::empty_like(leaf, torch::MemoryFormat::Preserve).copy_(sum);
}

}  // namespace starling::graph
