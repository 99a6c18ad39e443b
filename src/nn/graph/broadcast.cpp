#include <torch/csrc/autograd/generated/Functions.h>

#include "nn/graph/node_kinds.h"
#include "nn/graph/rule.h"

namespace starling::graph {
namespace {

namespace generated = torch::autograd::generated;

// A parameter added to or multiplied with a tensor of the batch, or repeated for it: biases,
// position embeddings, scales, class tokens. The entrywise gradient is summed over what the
// operation broadcast, for each example apart.
class BroadcastRule final : public Rule {
 public:
  BroadcastRule(const RuleContext& context, std::vector<torch::Tensor> factors,
                std::vector<double> scales)
      : context_sizes_(edge_sizes(context)),
        layout_(context.layouts[0]),
        batch_(context.batch),
        factors_(std::move(factors)),
        scales_(std::move(scales)) {}

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    auto gradient = captured.gradients[0];
    if (!gradient.defined()) return nullptr;
    if (factors_[edge.index].defined()) gradient = gradient * factors_[edge.index];
    if (scales_[edge.index] != 1) gradient = gradient * scales_[edge.index];
    return std::make_unique<DenseTerm>(
        reduce(examples_first(gradient, layout_, batch_), context_sizes_[edge.index]));
  }

  // The parameter is broadcast along the axis of the batch.
  static bool covers(const RuleContext& context) {
    const auto& layout = context.layouts[0];
    if (!layout.regular()) return false;
    if (context.batch == 1) return true;
    const auto output = sizes_at(Edge(context.use.node->getptr(), 0));
    const auto axis_from_back = static_cast<int64_t>(output.size()) - layout.axis;
    for (const auto& edge : context.use.edges) {
      const auto sizes = sizes_at(context.use.node->next_edge(edge.index));
      const auto dimensions = static_cast<int64_t>(sizes.size());
      if (dimensions < axis_from_back) continue;
      const int64_t size = sizes[dimensions - axis_from_back];
      if (size != 1) return false;
    }
    return true;
  }

 private:
  static std::vector<std::vector<int64_t>> edge_sizes(const RuleContext& context) {
    std::vector<std::vector<int64_t>> sizes(context.use.node->num_outputs());
    for (const auto& edge : context.use.edges) {
      sizes[edge.index] = sizes_at(context.use.node->next_edge(edge.index));
    }
    return sizes;
  }

  // [B, ...] -> [B, sizes], summed over broadcast axes
  static torch::Tensor reduce(const torch::Tensor& values, const std::vector<int64_t>& sizes) {
    const auto dimensions = static_cast<int64_t>(sizes.size());
    const int64_t extra = values.dim() - 1 - dimensions;
    std::vector<int64_t> axes;
    for (int64_t axis = 0; axis < extra; ++axis) axes.push_back(axis + 1);
    for (int64_t axis = 0; axis < dimensions; ++axis) {
      const int64_t position = axis + 1 + extra;
      if (sizes[axis] == 1 && values.size(position) != 1) axes.push_back(position);
    }
    auto shape = sizes;
    shape.insert(shape.begin(), values.size(0));
    return (axes.empty() ? values : values.sum(axes, true)).reshape(shape);
  }

  const std::vector<std::vector<int64_t>> context_sizes_;
  const Layout layout_;
  const int64_t batch_;
  const std::vector<torch::Tensor> factors_;
  const std::vector<double> scales_;
};

// expand, and repeat where a copy of the whole parameter belongs to each example.
class RepeatRule final : public Rule {
 public:
  explicit RepeatRule(const RuleContext& context)
      : sizes_(sizes_at(context.use.node->next_edge(0))),
        layout_(context.layouts[0]),
        batch_(context.batch) {}

  std::unique_ptr<Term> term(const ParameterEdge&, const Captured& captured) override {
    if (!captured.gradients[0].defined()) return nullptr;
    const auto copies = examples_first(captured.gradients[0], layout_, batch_);
    auto shape = sizes_;
    shape.insert(shape.begin(), batch_);
    return std::make_unique<DenseTerm>(copies.reshape(shape));
  }

  static bool covers(const RuleContext& context) {
    const auto& layout = context.layouts[0];
    const auto sizes = sizes_at(context.use.node->next_edge(0));
    const auto output = sizes_at(Edge(context.use.node->getptr(), 0));
    if (!layout.regular() || layout.axis != 0 || layout.outer != 1) return false;
    int64_t entries = 1, expected = context.batch;
    for (int64_t size : output) entries *= size;
    for (int64_t size : sizes) expected *= size;
    return entries == expected;
  }

 private:
  const std::vector<int64_t> sizes_;
  const Layout layout_;
  const int64_t batch_;
};

bool uses_edge(const RuleContext& context, uint32_t index) {
  for (const auto& edge : context.use.edges) {
    if (edge.index == index) return true;
  }
  return false;
}

torch::Tensor saved_factor(const RuleContext& context, uint32_t edge,
                           const torch::autograd::SavedVariable& saved) {
  return uses_edge(context, edge) ? saved.unpack().detach() : torch::Tensor();
}

}  // namespace

std::unique_ptr<Rule> make_broadcast_rule(const RuleContext& context) {
  auto* node = context.use.node;
  if (is_repeat(*node)) {
    return RepeatRule::covers(context) ? std::make_unique<RepeatRule>(context) : nullptr;
  }
  std::vector<torch::Tensor> factors(2);
  std::vector<double> scales(2, 1.0);
  if (auto* sum = dynamic_cast<generated::AddBackward0*>(node)) {
    scales[1] = sum->alpha.toDouble();
  } else if (auto* difference = dynamic_cast<generated::SubBackward0*>(node)) {
    scales[1] = -difference->alpha.toDouble();
  } else if (auto* product = dynamic_cast<generated::MulBackward0*>(node)) {
    if (!BroadcastRule::covers(context)) return nullptr;
    factors[0] = saved_factor(context, 0, product->other_);
    factors[1] = saved_factor(context, 1, product->self_);
  } else {
    return nullptr;
  }
  if (!BroadcastRule::covers(context)) return nullptr;
  return std::make_unique<BroadcastRule>(context, std::move(factors), std::move(scales));
}

}  // namespace starling::graph
