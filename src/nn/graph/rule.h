#pragma once
// How a node's captured output gradients become per-example gradients of the parameters it uses. A
// rule is made before the backward pass, while the node still holds its saved tensors.

#include <torch/types.h>

#include <memory>
#include <vector>

#include "nn/graph/capture.h"
#include "nn/graph/term.h"

namespace starling::graph {

class Rule {
 public:
  virtual ~Rule() = default;
  // The gradient of the slot behind one edge. `captured` outlives the term; its gradients are
  // consumed by nothing else. Null where no gradient flows.
  virtual std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) = 0;
  // Whether `term` calls the node, which must then keep its saved tensors through the pass.
  virtual bool needs_graph() const { return false; }
};

// What every rule is given.
struct RuleContext {
  const Use& use;
  const std::vector<Slot>& slots;
  const std::vector<Layout>& layouts;  // of the node's outputs
  int64_t batch;
  MemoryBudget& budget;
};

using RuleMaker = std::unique_ptr<Rule> (*)(const RuleContext&);

// Each returns null for a node, or a case of it, that it does not cover.
std::unique_ptr<Rule> make_linear_rule(const RuleContext& context);
std::unique_ptr<Rule> make_broadcast_rule(const RuleContext& context);
std::unique_ptr<Rule> make_normalisation_rule(const RuleContext& context);
std::unique_ptr<Rule> make_embedding_rule(const RuleContext& context);
std::unique_ptr<Rule> make_recurrent_rule(const RuleContext& context);
std::unique_ptr<Rule> make_convolution_rule(const RuleContext& context);
// Covers every node: masks the captured gradient to one example and calls the node alone.
std::unique_ptr<Rule> make_node_rule(const RuleContext& context);

// The first that covers the node.
std::unique_ptr<Rule> make_rule(const RuleContext& context);

}  // namespace starling::graph
