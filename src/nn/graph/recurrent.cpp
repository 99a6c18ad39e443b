#include "nn/graph/lstm_node.h"
#include "nn/graph/rule.h"

namespace starling::graph {
namespace {

constexpr uint32_t kInputWeight = 1, kHiddenWeight = 2, kFirstBias = 3, kLastBias = 4;

// The gates are a product of the input and of the state before: every time step is one row.
class LstmRule final : public Rule {
 public:
  LstmRule(LstmNode& node, const RuleContext& context) : node_(node), budget_(context.budget) {
    node.expect_new_gradients();
  }

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    bool flows = false;
    for (const auto& gradient : captured.gradients) flows = flows || gradient.defined();
    if (!flows) return nullptr;
    const auto& gates = node_.gate_gradients(captured.gradients);
    if (edge.index >= kFirstBias) return std::make_unique<DenseTerm>(node_.bias_gradients());
    const auto& rows = edge.index == kInputWeight ? node_.inputs() : node_.previous();
    return std::make_unique<ProductTerm>(ProductTerm::Rows{gates.unsqueeze(2), rows.unsqueeze(2)},
                                         budget_);
  }

 private:
  LstmNode& node_;
  MemoryBudget& budget_;
};

// Outputs are [T, B, H] and two states [..., B, H]: the batch is the axis before the last.
bool is_time_major(const RuleContext& context) {
  for (size_t i = 0; i < context.layouts.size() && i < 3; ++i) {
    const auto& layout = context.layouts[i];
    if (layout.absent) continue;
    if (!layout.regular() || layout.outer != 1 || layout.inner != 1) return false;
    const Edge output(context.use.node->getptr(), static_cast<uint32_t>(i));
    if (layout.axis + 2 != static_cast<int64_t>(sizes_at(output).size())) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<Rule> make_recurrent_rule(const RuleContext& context) {
  auto* node = dynamic_cast<LstmNode*>(context.use.node);
  if (node == nullptr) return nullptr;
  for (const auto& edge : context.use.edges) {
    if (edge.index < kInputWeight || edge.index > kLastBias) return nullptr;
  }
  if (context.batch > 1 && !is_time_major(context)) return nullptr;
  if (node->inputs_batch() != context.batch) return nullptr;
  return std::make_unique<LstmRule>(*node, context);
}

}  // namespace starling::graph
