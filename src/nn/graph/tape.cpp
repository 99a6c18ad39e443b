#include "nn/graph/tape.h"

#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/input_metadata.h>

#include <algorithm>
#include <map>
#include <typeinfo>
#include <utility>

#include "nn/graph/node_kinds.h"
#include "starling/core/error.h"

namespace starling::graph {
namespace {

using torch::autograd::AccumulateGrad;

class TapeReader {
 public:
  TapeReader(const LeafIndex& leaves, const std::set<size_t>& promoted, int64_t batch)
      : leaves_(leaves), promoted_(promoted), batch_(batch) {}

  Tape read(Node* root) {
    position_of(root);
    for (size_t next = 0; next < tape_.nodes.size(); ++next) number_edges(tape_.nodes[next]);
    for (size_t position = 0; position < tape_.nodes.size(); ++position) collect_uses(position);
    return std::move(tape_);
  }

 private:
  // Nodes are numbered when they are first seen, parameter-only ones included: the numbers and the
  // key do not depend on what is promoted.
  size_t position_of(Node* node) {
    const auto [found, added] = positions_.emplace(node, tape_.nodes.size());
    if (added) tape_.nodes.push_back(node);
    return found->second;
  }

  void number_edges(Node* node) {
    const auto reason = mixing_reason(*node, batch_);
    if (!reason.empty()) throw Error(node->name() + ": " + reason);
    tape_.key.push_back(reinterpret_cast<uintptr_t>(&typeid(*node)));
    for (const auto& edge : node->next_edges()) {
      tape_.key.push_back(edge.is_valid() ? position_of(edge.function.get()) : SIZE_MAX);
      tape_.key.push_back(edge.is_valid() ? edge.input_nr : 0);
    }
  }

  void collect_uses(size_t position) {
    Node* node = tape_.nodes[position];
    if (position != 0 && is_parameter_function(node)) return;
    Use use{node, position, {}};
    for (uint32_t i = 0; i < node->num_outputs(); ++i) {
      const auto& edge = node->next_edge(i);
      if (!edge.is_valid() || !is_parameter_function(edge.function.get())) continue;
      use.edges.push_back(parameter_edge(*node, i));
    }
    if (!use.edges.empty()) tape_.uses.push_back(std::move(use));
  }

  ParameterEdge parameter_edge(const Node& node, uint32_t index) {
    Edge edge = node.next_edge(index);
    bool transposed = false;
    if (is_matrix_product(node)) {
      while (is_transpose(*edge.function)) {
        edge = edge.function->next_edge(0);
        transposed = !transposed;
      }
    }
    return {index, slot_of(edge), transposed};
  }

  size_t slot_of(const Edge& edge) {
    const auto key = std::make_pair(edge.function.get(), edge.input_nr);
    const auto [found, added] = slot_index_.emplace(key, tape_.slots.size());
    if (added) {
      Slot slot{edge, {}, false, true};
      slot.is_leaf = dynamic_cast<AccumulateGrad*>(edge.function.get()) != nullptr;
      std::set<Node*> seen;
      describe(edge.function.get(), slot, seen);
      std::sort(slot.leaves.begin(), slot.leaves.end());
      tape_.slots.push_back(std::move(slot));
    }
    return found->second;
  }

  void describe(Node* node, Slot& slot, std::set<Node*>& seen) {
    if (!seen.insert(node).second) return;
    if (auto* leaf = dynamic_cast<AccumulateGrad*>(node)) {
      slot.leaves.push_back(leaves_.at(leaf->variable.unsafeGetTensorImpl()));
      return;
    }
    slot.is_view = slot.is_view && is_view(*node);
    for (const auto& edge : node->next_edges()) describe(edge.function.get(), slot, seen);
  }

  bool is_parameter_function(Node* node) {
    const auto found = parameter_functions_.find(node);
    if (found != parameter_functions_.end()) return found->second;
    bool answer = false;
    if (auto* leaf = dynamic_cast<AccumulateGrad*>(node)) {
      answer = leaves_.count(leaf->variable.unsafeGetTensorImpl()) > 0;
    } else if (is_data_free(*node) || (is_repeat(*node) && promoted_.count(position_of(node)))) {
      answer = node->num_outputs() > 0;
      for (const auto& edge : node->next_edges()) {
        answer = answer && edge.is_valid() && is_parameter_function(edge.function.get());
      }
    }
    parameter_functions_.emplace(node, answer);
    return answer;
  }

  const LeafIndex& leaves_;
  const std::set<size_t>& promoted_;
  const int64_t batch_;
  Tape tape_;
  std::unordered_map<Node*, size_t> positions_;
  std::unordered_map<Node*, bool> parameter_functions_;
  std::map<std::pair<Node*, uint32_t>, size_t> slot_index_;
};

}  // namespace

Tape read_tape(const torch::Tensor& losses, const LeafIndex& leaves,
               const std::set<size_t>& promoted) {
  return TapeReader(leaves, promoted, losses.size(0)).read(losses.grad_fn().get());
}

std::vector<int64_t> sizes_at(const Edge& edge) {
  const auto& metadata = edge.function->input_metadata(edge.input_nr);
  if (metadata.was_default_constructed()) return {};
  const auto shape = metadata.shape_as_dim_vector();
  std::vector<int64_t> sizes;
  for (const auto& size : shape) sizes.push_back(size.expect_int());
  return sizes;
}

void copy_input_metadata(const Node& from, Node& to) {
  for (uint32_t i = 0; i < from.num_inputs(); ++i) {
    const auto& metadata = from.input_metadata(i);
    if (metadata.was_default_constructed()) {
      to.add_input_metadata(Node::undefined_input());
      continue;
    }
    to.add_input_metadata(metadata.options(), metadata.shape_as_dim_vector(), false, false,
                          std::nullopt);
  }
}

}  // namespace starling::graph
