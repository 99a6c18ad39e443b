#include "nn/graph/clipped_backward.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "nn/graph/capture.h"
#include "nn/graph/clipping.h"
#include "nn/graph/gather.h"
#include "nn/graph/lstm_node.h"
#include "nn/graph/one_at_a_time.h"
#include "nn/graph/rule.h"
#include "nn/graph/taps.h"
#include "starling/core/log.h"

namespace starling::graph {
namespace {

constexpr int64_t kLeastKeptBytes = int64_t{8} << 20;

int64_t gradient_bytes(const Use& use, size_t item) {
  int64_t entries = 0;
  for (uint32_t i = 0; i < use.node->num_inputs(); ++i)
    entries += c10::multiply_integers(sizes_at(Edge(use.node->getptr(), i)));
  return entries * static_cast<int64_t>(item);
}

// In proportion to what the plain step holds, so that the private step's peak stays within half as
// much again: five eighths of the output gradients of the uses, and then those that the pass has
// left behind, whose activations it has let go.
int64_t bytes_to_keep(const Tape& tape, size_t item) {
  int64_t bytes = 0;
  for (const auto& use : tape.uses) bytes += gradient_bytes(use, item);
  return std::max(kLeastKeptBytes, bytes / 8 * 5);
}

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

// Says each line once in a process.
void announce(const std::vector<std::string>& lines, void (*say)(const std::string&)) {
  static std::mutex mutex;
  static std::set<std::string> said;
  std::lock_guard<std::mutex> lock(mutex);
  for (const auto& line : lines) {
    if (said.insert(line).second) say("per-example gradients: " + line);
  }
}

void announce_fallbacks(const std::vector<std::string>& operations) {
  std::vector<std::string> lines;
  for (const auto& operation : operations)
    lines.push_back(operation +
                    " has no rule; it is called once an example, which is exact and "
                    "slower");
  announce(lines, log::info);
}

void announce_forms(const std::vector<std::string>& names, const std::vector<std::string>& forms) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < names.size(); ++i) lines.push_back(names[i] + ": " + forms[i]);
  announce(lines, log::debug);
}

// Collects one term a slot, what all uses of it add up to, while the backward pass runs.
class SlotTerms {
 public:
  SlotTerms(const CapturePlan& plan, std::vector<std::unique_ptr<Rule>>& rules, int64_t batch)
      : plan_(plan),
        rules_(rules),
        batch_(batch),
        captured_(rules.size()),
        parts_(plan.tape.slots.size()),
        uses_(plan.tape.slots.size()) {
    for (const auto& use : plan.tape.uses)
      for (const auto& edge : use.edges) ++uses_[edge.slot];
  }

  // Lets go the use's rule and gradients as far as no term refers to them.
  void arrive(size_t use, Gradients gradients) {
    at::AutoDispatchBelowADInplaceOrView guard;
    auto& rule = rules_[use];
    captured_[use] = {std::move(gradients), plan_.layouts[use]};
    std::vector<Term*> whole;
    for (const auto& edge : plan_.tape.uses[use].edges) {
      auto term = rule->term(edge, captured_[use]);
      if (!term) continue;
      if (uses_[edge.slot] == 1 && plan_.tape.slots[edge.slot].is_view) whole.push_back(term.get());
      parts_[edge.slot].emplace(use, std::move(term));
    }
    if (rule->needs_graph()) return;
    rule.reset();
    captured_[use].gradients.clear();
    for (auto* term : whole) term->squared_norms();
  }

  Terms take() {
    Terms terms;
    for (auto& slot : parts_) {
      Terms parts;
      for (auto& [use, term] : slot) parts.push_back(std::move(term));
      terms.push_back(parts.empty() ? nullptr : merge(std::move(parts), batch_));
    }
    return terms;
  }

 private:
  const CapturePlan& plan_;
  std::vector<std::unique_ptr<Rule>>& rules_;
  const int64_t batch_;
  std::vector<Captured> captured_;
  std::vector<std::multimap<size_t, std::unique_ptr<Term>>> parts_;  // by use, whatever the pass
  std::vector<int> uses_;                                            // of each slot
};

}  // namespace

ClippedBackward clipped_backward(const torch::Tensor& losses, const Leaves& leaves,
                                 const Clipping& clipping, std::vector<std::string>& without_rule) {
  torch::NoGradGuard no_grad;
  const int64_t batch = losses.size(0);
  replace_native_lstm(losses);
  auto plan = plan_capture(losses, leaves.index, leaves.names);
  if (!plan.decided) return one_at_a_time(losses, leaves.tensors, clipping);

  MemoryBudget budget(bytes_to_keep(plan.tape, losses.element_size()));
  auto rules = make_rules(plan, batch, budget);
  without_rule = operations_without_rule(plan.tape, rules, leaves.names);
  announce_fallbacks(without_rule);
  const auto keep = without_rule.empty() ? KeepGraph::no : KeepGraph::yes;
  SlotTerms terms(plan, rules, batch);
  backward_with_taps(plan.tape, losses, keep, [&](size_t use, Gradients gradients) {
    budget.grow(gradient_bytes(plan.tape.uses[use], losses.element_size()));
    terms.arrive(use, std::move(gradients));
  });
  Gather gather(plan.tape, terms.take(), leaves.tensors, batch);
  const auto squared_norms = gather.squared_norms();
  if (plan.is_new) announce_forms(leaves.names, gather.forms());
  const auto factors = clip_factors(squared_norms, clipping, leaves.tensors.front().scalar_type());
  gather.add_sums(factors);
  return factors.report;
}

}  // namespace starling::graph
