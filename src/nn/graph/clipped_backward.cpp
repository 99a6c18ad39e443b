#include "nn/graph/clipped_backward.h"

#include <mutex>
#include <set>
#include <utility>

#include "nn/graph/capture.h"
#include "nn/graph/clipping.h"
#include "nn/graph/gather.h"
#include "nn/graph/lstm_node.h"
#include "nn/graph/one_at_a_time.h"
#include "nn/graph/rule.h"
#include "starling/core/log.h"

namespace starling::graph {
namespace {

constexpr int64_t kBudgetBytes = int64_t{64} << 20;

std::vector<std::unique_ptr<Rule>> make_rules(const CapturePlan& plan, int64_t batch,
                                              MemoryBudget& budget) {
  std::vector<std::unique_ptr<Rule>> rules;
  for (size_t u = 0; u < plan.tape.uses.size(); ++u) {
    rules.push_back(
        make_rule({plan.tape.uses[u], plan.tape.slots, plan.layouts[u], batch, budget}));
  }
  return rules;
}

std::vector<std::string> operations_without_rule(const Tape& tape,
                                                 const std::vector<std::unique_ptr<Rule>>& rules,
                                                 const std::vector<std::string>& names) {
  std::vector<std::string> operations;
  for (size_t u = 0; u < rules.size(); ++u) {
    if (!rules[u]->needs_graph()) continue;
    const auto& slot = tape.slots[tape.uses[u].edges.front().slot];
    operations.push_back(tape.uses[u].node->name() + " (" + names[slot.leaves.front()] + ")");
  }
  return operations;
}

void announce(const std::vector<std::string>& operations) {
  static std::mutex mutex;
  static std::set<std::string> said;
  std::lock_guard<std::mutex> lock(mutex);
  for (const auto& operation : operations) {
    if (!said.insert(operation).second) continue;
    log::info("per-example gradients: " + operation +
              " has no rule; it is called once an example, which is exact and slower");
  }
}

// One term a slot: what all uses of it add up to. Rules and captured gradients that no term refers
// to go, and with them what the terms have reduced already.
Terms slot_terms(const Tape& tape, std::vector<std::unique_ptr<Rule>>& rules,
                 std::vector<Captured>& captured, int64_t batch) {
  std::vector<Terms> parts(tape.slots.size());
  for (size_t u = 0; u < tape.uses.size(); ++u) {
    for (const auto& edge : tape.uses[u].edges) {
      if (auto term = rules[u]->term(edge, captured[u])) {
        parts[edge.slot].push_back(std::move(term));
      }
    }
    if (rules[u]->needs_graph()) continue;
    rules[u].reset();
    captured[u].gradients.clear();
  }
  Terms terms;
  for (auto& slot : parts) {
    terms.push_back(slot.empty() ? nullptr : merge(std::move(slot), batch));
  }
  return terms;
}

}  // namespace

ClippedBackward clipped_backward(const torch::Tensor& losses, const Leaves& leaves,
                                 const Clipping& clipping, std::vector<std::string>& without_rule) {
  torch::NoGradGuard no_grad;
  const int64_t batch = losses.size(0);
  replace_native_lstm(losses);
  auto plan = plan_capture(losses, leaves.index, leaves.names);
  if (!plan.decided) return one_at_a_time(losses, leaves.tensors, clipping);

  MemoryBudget budget(kBudgetBytes);
  auto rules = make_rules(plan, batch, budget);
  without_rule = operations_without_rule(plan.tape, rules, leaves.names);
  announce(without_rule);
  const auto keep = without_rule.empty() ? KeepGraph::no : KeepGraph::yes;
  auto captured = capture(plan.tape.uses, losses, torch::ones_like(losses), keep);
  for (size_t u = 0; u < captured.size(); ++u) captured[u].layouts = plan.layouts[u];

  Gather gather(plan.tape, slot_terms(plan.tape, rules, captured, batch), leaves.tensors, batch);
  const auto factors =
      clip_factors(gather.squared_norms(), clipping, leaves.tensors.front().scalar_type());
  gather.add_sums(factors);
  return factors.report;
}

}  // namespace starling::graph
