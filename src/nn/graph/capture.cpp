#include "nn/graph/capture.h"

#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/input_metadata.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "nn/graph/node_kinds.h"
#include "starling/core/error.h"

namespace starling::graph {
namespace {

// What is known about graphs of one structure.
struct Structure {
  std::set<size_t> promoted;
  std::vector<std::vector<std::optional<Layout>>> layouts;  // [use][output]; none: no gradient
};

class StructureCache {
 public:
  std::optional<Structure> find(const std::vector<uintptr_t>& key) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = structures_.find(key);
    if (found == structures_.end()) return std::nullopt;
    return found->second;
  }

  void insert(const std::vector<uintptr_t>& key, Structure structure) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (structures_.size() >= kLimit) structures_.clear();
    structures_[key] = std::move(structure);
  }

 private:
  static constexpr size_t kLimit = 1024;
  std::mutex mutex_;
  std::map<std::vector<uintptr_t>, Structure> structures_;
};

StructureCache& structure_cache() {
  static StructureCache cache;
  return cache;
}

// The structure, and for each captured size what multiple of the batch it is: another order of the
// axes, or another sequence length, makes another key.
std::vector<uintptr_t> full_key(const Tape& tape, int64_t batch) {
  auto key = tape.key;
  for (const auto& use : tape.uses) {
    for (uint32_t i = 0; i < use.node->num_inputs(); ++i) {
      for (int64_t size : sizes_at(Edge(use.node->getptr(), i))) {
        key.push_back(size % batch == 0 ? static_cast<uintptr_t>(size / batch) : SIZE_MAX);
      }
      key.push_back(SIZE_MAX);
    }
  }
  return key;
}

bool can_last(const Tape& tape) {
  return std::none_of(tape.nodes.begin(), tape.nodes.end(),
                      [](const Node* node) { return moves_entries(*node); });
}

bool apply_structure(const Structure& structure, CapturePlan& plan, int64_t batch) {
  plan.layouts.clear();
  for (size_t u = 0; u < plan.tape.uses.size(); ++u) {
    auto& layouts = plan.layouts.emplace_back();
    for (uint32_t i = 0; i < structure.layouts[u].size(); ++i) {
      auto layout = structure.layouts[u][i].value_or(Layout{0, 1, 1, true, {}});
      const auto sizes = sizes_at(Edge(plan.tape.uses[u].node->getptr(), i));
      if (structure.layouts[u][i] && !fit_layout(layout, sizes, batch)) return false;
      layouts.push_back(layout);
    }
  }
  return true;
}

// A batch of one owns everything.
void own_everything(CapturePlan& plan) {
  for (const auto& use : plan.tape.uses) {
    auto& layouts = plan.layouts.emplace_back();
    for (uint32_t i = 0; i < use.node->num_inputs(); ++i) {
      const auto sizes = sizes_at(Edge(use.node->getptr(), i));
      layouts.push_back(Layout{0, 1, sizes.empty() ? 1 : sizes[0], false, {}});
    }
  }
}

// Counts, entry by entry, the losses that reach it.
bool truly_mixed(const Tape& tape, const torch::Tensor& losses, size_t use, size_t output) {
  torch::Tensor count;
  for (int64_t b = 0; b < losses.size(0); ++b) {
    auto root = torch::zeros_like(losses);
    root[b] = 1;
    const auto captured = capture({&tape.uses[use], 1}, losses, root);
    const auto& gradient = captured.front().gradients[output];
    if (!gradient.defined()) continue;
    const auto reached = gradient.ne(0).to(torch::kInt64);
    count = count.defined() ? count + reached : reached;
  }
  return count.defined() && count.gt(1).any().item<bool>();
}

[[noreturn]] void refuse(const Use& use, const Slot& slot, const std::vector<std::string>& names) {
  throw Error(use.node->name() + ", which uses parameter " + names[slot.leaves.front()] +
              ": its gradient mixes the examples of the batch, so that one example's share cannot "
              "be told; normalise over each example (GroupNorm, LayerNorm) and give losses that "
              "depend on one example each");
}

enum class Step { done, promoted, undecided };

class Inference {
 public:
  Inference(CapturePlan& plan, const torch::Tensor& losses, const std::vector<std::string>& names)
      : plan_(plan), losses_(losses), names_(names) {}

  Step run(Structure& structure) {
    plan_.layouts.assign(plan_.tape.uses.size(), {});
    structure.layouts.assign(plan_.tape.uses.size(), {});
    bool promoted = false;
    for (size_t u = 0; u < plan_.tape.uses.size(); ++u) {
      if (u == first_ + ones_.size()) collect(u);
      for (size_t i = 0; i < ones_of(u).gradients.size(); ++i) {
        const auto ownership = infer(u, i);
        if (ownership.verdict == Ownership::Verdict::undecided) return Step::undecided;
        if (ownership.verdict == Ownership::Verdict::mixed) {
          if (!promote(u, i, structure)) return Step::undecided;
          promoted = true;
          continue;
        }
        plan_.layouts[u].push_back(ownership.layout);
        const bool flows = ones_of(u).gradients[i].defined();
        structure.layouts[u].push_back(flows ? std::optional(ownership.layout) : std::nullopt);
        lasting_ = lasting_ && (!flows || (ownership.unique && ownership.layout.regular()));
      }
    }
    return promoted ? Step::promoted : Step::done;
  }

  bool lasting() const { return lasting_; }

 private:
  // The gradients of the next uses, as many as fit into kMostBytes and at least one, and what
  // those under the other roots say.
  void collect(size_t first) {
    first_ = first;
    ones_.clear();
    digits_.clear();
    size_t last = first;
    for (int64_t bytes = 0; last < plan_.tape.uses.size(); ++last) {
      bytes += captured_bytes(plan_.tape.uses[last]);
      if (last > first && bytes > kMostBytes) break;
    }
    const std::span uses(&plan_.tape.uses[first], last - first);
    ones_ = capture(uses, losses_, torch::ones_like(losses_));
    for (const auto& root : digit_roots(losses_)) read(capture(uses, losses_, root));
  }

  void read(const std::vector<Captured>& with_digit) {
    digits_.resize(ones_.size());
    for (size_t use = 0; use < ones_.size(); ++use) {
      const auto& gradients = ones_[use].gradients;
      digits_[use].resize(gradients.size());
      for (size_t i = 0; i < gradients.size(); ++i)
        if (gradients[i].defined())
          digits_[use][i].push_back(read_digits(gradients[i], with_digit[use].gradients[i]));
    }
  }

  int64_t captured_bytes(const Use& use) const {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < use.node->num_inputs(); ++i) {
      const auto sizes = sizes_at(Edge(use.node->getptr(), i));
      bytes += c10::multiply_integers(sizes) * static_cast<int64_t>(losses_.element_size());
    }
    return bytes;
  }

  const Captured& ones_of(size_t use) const { return ones_[use - first_]; }

  Ownership infer(size_t use, size_t output) const {
    const auto& with_ones = ones_of(use).gradients[output];
    if (!with_ones.defined()) {
      Ownership nothing;
      nothing.layout.absent = true;
      return nothing;
    }
    return infer_ownership(with_ones, digits_[use - first_][output], losses_.size(0));
  }

  // A repeated parameter whose copies are shared by examples is used one operation nearer the loss.
  bool promote(size_t use, size_t output, Structure& structure) const {
    const auto& node = plan_.tape.uses[use];
    if (is_repeat(*node.node)) return structure.promoted.insert(node.position).second;
    if (!truly_mixed(plan_.tape, losses_, use, output)) return false;
    refuse(node, plan_.tape.slots[node.edges.front().slot], names_);
  }

  static constexpr int64_t kMostBytes = int64_t{1} << 20;

  CapturePlan& plan_;
  const torch::Tensor& losses_;
  const std::vector<std::string>& names_;
  size_t first_ = 0;  // the use that ones_ and digits_ begin with
  std::vector<Captured> ones_;
  std::vector<std::vector<std::vector<torch::Tensor>>> digits_;  // [use][output][digit]
  bool lasting_ = true;
};

}  // namespace

std::vector<Captured> capture(std::span<const Use> uses, const torch::Tensor& losses,
                              const torch::Tensor& root) {
  torch::autograd::edge_list outputs;
  for (const auto& use : uses) {
    for (uint32_t i = 0; i < use.node->num_inputs(); ++i) {
      outputs.emplace_back(use.node->getptr(), i);
    }
  }
  auto gradients = torch::autograd::Engine::get_default_engine().execute(
      {Edge(losses.grad_fn(), losses.output_nr())}, {root}, /*keep_graph=*/true,
      /*create_graph=*/false, /*accumulate_grad=*/false, outputs);

  std::vector<Captured> result;
  auto next = gradients.begin();
  for (const auto& use : uses) {
    const auto end = next + use.node->num_inputs();
    result.push_back({Gradients(std::make_move_iterator(next), std::make_move_iterator(end)), {}});
    next = end;
  }
  return result;
}

CapturePlan plan_capture(const torch::Tensor& losses, const LeafIndex& leaves,
                         const std::vector<std::string>& names) {
  const int64_t batch = losses.size(0);
  CapturePlan plan;
  plan.tape = read_tape(losses, leaves, {});
  if (batch == 1) {
    own_everything(plan);
    return plan;
  }
  const auto key = full_key(plan.tape, batch);
  if (const auto known = structure_cache().find(key)) {
    if (!known->promoted.empty()) plan.tape = read_tape(losses, leaves, known->promoted);
    if (apply_structure(*known, plan, batch)) return plan;
  }

  plan.is_new = true;
  Structure structure;
  for (;;) {
    Inference inference(plan, losses, names);
    const auto step = inference.run(structure);
    if (step == Step::undecided) plan.decided = false;
    if (step == Step::done && inference.lasting() && can_last(plan.tape))
      structure_cache().insert(key, structure);
    if (step != Step::promoted) return plan;
    plan.tape = read_tape(losses, leaves, structure.promoted);
  }
}

}  // namespace starling::graph
