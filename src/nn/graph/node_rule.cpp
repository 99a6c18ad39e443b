#include <utility>

#include "nn/graph/rule.h"
#include "starling/core/error.h"

namespace starling::graph {
namespace {

// Exact for every operation, since a node is linear in its output gradient: the gradient is masked
// to one example and the node called alone. B calls of that one node, not of the network.
class NodeTerm final : public Term {
 public:
  NodeTerm(Node& node, const ParameterEdge& edge, const Captured& captured, int64_t batch)
      : node_(node),
        edge_(edge.index),
        transposed_(edge.transposed),
        captured_(captured),
        batch_(batch) {}

  torch::Tensor weighted_sum(const torch::Tensor& factors) override {
    return call([&](const torch::Tensor& gradient, const Layout& layout) {
      const auto weights = spread(factors, gradient, layout);
      return torch::where(weights.ne(0), gradient * weights, torch::zeros({}, gradient.options()));
    });
  }

  torch::Tensor example(int64_t b) override {
    return call([&](const torch::Tensor& gradient, const Layout& layout) {
      return only_example(gradient, layout, batch_, b);
    });
  }

  std::string form() const override { return "one call of the operation an example"; }

  void forget(const torch::Tensor&) override {}

 private:
  torch::Tensor compute_squares() override {
    auto squares = torch::zeros({batch_}, torch::kFloat64);
    for (int64_t b = 0; b < batch_; ++b) {
      squares[b] = row_squares(example(b).reshape({1, -1}))[0];
    }
    if (!squares.isfinite().all().item<bool>()) check_separable();
    return squares;
  }

  template <class Transform>
  torch::Tensor call(Transform transform) const {
    torch::autograd::variable_list gradients;
    for (size_t i = 0; i < captured_.gradients.size(); ++i) {
      const auto& gradient = captured_.gradients[i];
      gradients.push_back(gradient.defined() ? transform(gradient, captured_.layouts[i])
                                             : torch::Tensor());
    }
    const auto result = node_(std::move(gradients))[edge_];
    const auto& edge = node_.next_edge(edge_);
    const auto sizes = sizes_at(edge);
    if (!result.defined()) {
      const auto& options = edge.function->input_metadata(edge.input_nr).options();
      const auto zero = torch::zeros(sizes, options);
      return transposed_ ? zero.t() : zero;
    }
    const auto dense = result.layout() == torch::kSparse ? result.to_dense() : result;
    const auto gradient = torch::sum_to(dense, sizes);
    return transposed_ ? gradient.t() : gradient;
  }

  // A saved activation that is not finite makes 0 * inf in every example's share: then no example
  // can be told from another.
  void check_separable() const {
    const auto nothing = call(
        [](const torch::Tensor& gradient, const Layout&) { return torch::zeros_like(gradient); });
    if (nothing.isfinite().all().item<bool>()) return;
    throw Error(node_.name() +
                ": an example of the batch has activations that are not finite, and this operation "
                "cannot leave it out; lower the learning rate, or check that the data are finite");
  }

  Node& node_;
  const uint32_t edge_;
  const bool transposed_;  // the slot is the transpose of what the node sees
  const Captured& captured_;
  const int64_t batch_;
};

class NodeRule final : public Rule {
 public:
  explicit NodeRule(const RuleContext& context) : node_(*context.use.node), batch_(context.batch) {}

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    bool flows = false;
    for (const auto& gradient : captured.gradients) flows = flows || gradient.defined();
    if (!flows) return nullptr;
    return std::make_unique<NodeTerm>(node_, edge, captured, batch_);
  }
  bool needs_graph() const override { return true; }

 private:
  Node& node_;
  const int64_t batch_;
};

}  // namespace

std::unique_ptr<Rule> make_node_rule(const RuleContext& context) {
  return std::make_unique<NodeRule>(context);
}

std::unique_ptr<Rule> make_rule(const RuleContext& context) {
  for (RuleMaker make :
       {make_linear_rule, make_broadcast_rule, make_normalisation_rule, make_convolution_rule,
        make_embedding_rule, make_recurrent_rule, make_node_rule}) {
    if (auto rule = make(context)) return rule;
  }
  return nullptr;
}

}  // namespace starling::graph
