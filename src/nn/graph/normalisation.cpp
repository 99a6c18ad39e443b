#include <torch/csrc/autograd/generated/Functions.h>

#include "nn/graph/rule.h"

namespace starling::graph {
namespace {

namespace generated = torch::autograd::generated;

constexpr uint32_t kWeightEdge = 1, kBiasEdge = 2;

// y = x_hat * weight + bias over the last axes. The weight's gradient is g * x_hat summed over the
// example's rows.
class LayerNormRule final : public Rule {
 public:
  LayerNormRule(generated::NativeLayerNormBackward0& node, const RuleContext& context)
      : input_(node.input_.unpack().detach()),
        mean_(node.result1_.unpack(node.getptr())),
        scale_(node.result2_.unpack(node.getptr())),
        normalised_axes_(static_cast<int64_t>(node.normalized_shape.size())),
        layout_(context.layouts[0]),
        batch_(context.batch) {}

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    const auto& gradient = captured.gradients[0];
    if (!gradient.defined()) return nullptr;
    const auto entries =
        edge.index == kWeightEdge ? gradient * ((input_ - mean_) * scale_) : gradient;
    const auto rows = examples_first(entries, layout_, batch_);
    std::vector<int64_t> axes;
    for (int64_t axis = 1; axis < rows.dim() - normalised_axes_; ++axis) axes.push_back(axis);
    return std::make_unique<DenseTerm>(axes.empty() ? rows : rows.sum(axes));
  }

 private:
  const torch::Tensor input_, mean_, scale_;
  const int64_t normalised_axes_;
  const Layout layout_;
  const int64_t batch_;
};

// y = x_hat * weight + bias a channel, statistics a group: [N, C, ...].
class GroupNormRule final : public Rule {
 public:
  GroupNormRule(generated::NativeGroupNormBackward0& node, const RuleContext& context)
      : input_(node.input_.unpack().detach()),
        mean_(node.result1_.unpack(node.getptr())),
        scale_(node.result2_.unpack(node.getptr())),
        samples_(node.N.expect_int()),
        channels_(node.C.expect_int()),
        groups_(node.group),
        layout_(context.layouts[0]),
        batch_(context.batch) {}

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    const auto& gradient = captured.gradients[0];
    if (!gradient.defined()) return nullptr;
    const auto g = gradient.reshape({samples_, groups_, channels_ / groups_, -1});
    auto sums = g.sum(3);
    if (edge.index == kWeightEdge) {
      const auto x = input_.reshape(g.sizes());
      const auto moments = (g * (x - mean_.view({samples_, groups_, 1, 1}))).sum(3);
      sums = moments * scale_.view({samples_, groups_, 1});
    }
    const auto rows = sums.reshape({layout_.outer, batch_, layout_.inner, channels_});
    return std::make_unique<DenseTerm>(rows.sum({0, 2}));
  }

 private:
  const torch::Tensor input_, mean_, scale_;
  const int64_t samples_, channels_, groups_;
  const Layout layout_;
  const int64_t batch_;
};

bool is_direct(const RuleContext& context) {
  for (const auto& edge : context.use.edges) {
    if (edge.index != kWeightEdge && edge.index != kBiasEdge) return false;
  }
  return context.layouts[0].regular();
}

}  // namespace

std::unique_ptr<Rule> make_normalisation_rule(const RuleContext& context) {
  const auto& layout = context.layouts[0];
  if (auto* node = dynamic_cast<generated::NativeLayerNormBackward0*>(context.use.node)) {
    const auto output = static_cast<int64_t>(sizes_at(Edge(node->getptr(), 0)).size());
    const auto normalised = static_cast<int64_t>(node->normalized_shape.size());
    if (!is_direct(context) || layout.axis >= output - normalised) return nullptr;
    return std::make_unique<LayerNormRule>(*node, context);
  }
  if (auto* node = dynamic_cast<generated::NativeGroupNormBackward0*>(context.use.node)) {
    if (!is_direct(context) || layout.axis != 0) return nullptr;
    return std::make_unique<GroupNormRule>(*node, context);
  }
  return nullptr;
}

}  // namespace starling::graph
