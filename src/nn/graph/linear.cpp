#include <torch/csrc/autograd/generated/Functions.h>

#include "nn/graph/rule.h"

namespace starling::graph {
namespace {

namespace generated = torch::autograd::generated;

// x W^T, with or without a bias: AddmmBackward0 and MmBackward0. The weight may be either operand;
// rows (or, where it comes first, columns) belong to examples.
class LinearRule final : public Rule {
 public:
  struct Operation {
    torch::Tensor first, second;  // the operand that is not the weight; undefined where not needed
    uint32_t first_edge;          // 0 of mm, 1 of addmm
    double alpha = 1, beta = 1;
  };
  LinearRule(Operation operation, const RuleContext& context)
      : operation_(std::move(operation)),
        layout_(context.layouts[0]),
        batch_(context.batch),
        budget_(context.budget) {}

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    const auto& gradient = captured.gradients[0];
    if (!gradient.defined()) return nullptr;
    if (edge.index + 1 == operation_.first_edge) return bias(gradient);
    const bool first = edge.index == operation_.first_edge;
    // The operand's gradient: first = G second^T, second = first^T G.
    auto left = first ? by_example(gradient.t()) : by_example(operation_.first);
    auto right = first ? by_example(operation_.second.t()) : by_example(gradient);
    if (operation_.alpha != 1) left = left * operation_.alpha;
    if (edge.transposed) std::swap(left, right);
    return std::make_unique<ProductTerm>(ProductTerm::Rows{left, right}, budget_);
  }

 private:
  torch::Tensor by_example(const torch::Tensor& rows) const {
    return rows.unflatten(0, {layout_.outer, batch_, layout_.inner});
  }

  std::unique_ptr<Term> bias(const torch::Tensor& gradient) const {
    auto rows = by_example(gradient);
    auto sums = layout_.outer * layout_.inner == 1 ? gradient : rows.sum({0, 2});
    return std::make_unique<DenseTerm>(operation_.beta == 1 ? sums : sums * operation_.beta);
  }

  const Operation operation_;
  const Layout layout_;
  const int64_t batch_;
  MemoryBudget& budget_;
};

bool uses_edge(const Use& use, uint32_t index) {
  for (const auto& edge : use.edges) {
    if (edge.index == index) return true;
  }
  return false;
}

// The operand the rule multiplies the gradient with, and whether the examples lie along the axis
// that the product sums over.
bool covers(const RuleContext& context, const LinearRule::Operation& operation) {
  const bool first = uses_edge(context.use, operation.first_edge);
  const bool second = uses_edge(context.use, operation.first_edge + 1);
  if (!context.layouts[0].regular() || (first && second)) return false;
  const auto bias = operation.first_edge == 1 && uses_edge(context.use, 0);
  if (bias && sizes_at(context.use.node->next_edge(0)).size() != 1) return false;
  if (first && bias) return false;
  return context.batch == 1 || context.layouts[0].axis == (first ? 1 : 0);
}

}  // namespace

std::unique_ptr<Rule> make_linear_rule(const RuleContext& context) {
  LinearRule::Operation operation;
  torch::autograd::SavedVariable *first = nullptr, *second = nullptr;
  if (auto* addmm = dynamic_cast<generated::AddmmBackward0*>(context.use.node)) {
    first = &addmm->mat1_;
    second = &addmm->mat2_;
    operation.first_edge = 1;
    operation.alpha = addmm->alpha.toDouble();
    operation.beta = addmm->beta.toDouble();
  } else if (auto* mm = dynamic_cast<generated::MmBackward0*>(context.use.node)) {
    first = &mm->self_;
    second = &mm->mat2_;
    operation.first_edge = 0;
  } else {
    return nullptr;
  }
  if (!covers(context, operation)) return nullptr;
  const auto strided = [](const torch::Tensor& operand) {
    return !operand.defined() || operand.layout() == torch::kStrided;
  };
  if (uses_edge(context.use, operation.first_edge + 1)) operation.first = first->unpack();
  if (uses_edge(context.use, operation.first_edge)) {
    if (context.batch == 1) return nullptr;
    operation.second = second->unpack();
  }
  if (!strided(operation.first) || !strided(operation.second)) return nullptr;
  return std::make_unique<LinearRule>(std::move(operation), context);
}

}  // namespace starling::graph
