#include "nn/graph/gather.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/variable.h>

#include <numeric>
#include <utility>

#include "nn/graph/one_at_a_time.h"

namespace starling::graph {

Gather::Gather(const Tape& tape, Terms terms, const std::vector<torch::Tensor>& leaves,
               int64_t batch)
    : tape_(tape), terms_(std::move(terms)), leaves_(leaves), batch_(batch) {
  make_groups(tape);
}

void Gather::make_groups(const Tape& tape) {
  std::vector<size_t> parent(leaves_.size());
  std::iota(parent.begin(), parent.end(), size_t{0});
  const auto root = [&](size_t leaf) {
    while (parent[leaf] != leaf) leaf = parent[leaf];
    return leaf;
  };
  for (const auto& slot : tape.slots) {
    for (size_t leaf : slot.leaves) parent[root(leaf)] = root(slot.leaves.front());
  }
  std::vector<size_t> group_of(leaves_.size(), SIZE_MAX);
  for (size_t s = 0; s < tape.slots.size(); ++s) {
    if (!terms_[s]) continue;
    auto& index = group_of[root(tape.slots[s].leaves.front())];
    if (index == SIZE_MAX) {
      index = groups_.size();
      groups_.emplace_back();
    }
    groups_[index].slots.push_back(s);
  }
  for (size_t leaf = 0; leaf < leaves_.size(); ++leaf) {
    const size_t index = group_of[root(leaf)];
    if (index != SIZE_MAX) groups_[index].leaves.push_back(leaf);
  }
  for (auto& group : groups_) {
    group.simple = group.slots.size() == 1 && group.leaves.size() == 1 &&
                   tape.slots[group.slots.front()].is_view;
  }
}

torch::Tensor Gather::squared_norms() {
  at::AutoDispatchBelowADInplaceOrView guard;
  auto squares = torch::zeros({static_cast<int64_t>(leaves_.size()), batch_}, torch::kFloat64);
  for (const auto& group : groups_) {
    if (group.simple) {
      squares[group.leaves.front()].copy_(terms_[group.slots.front()]->squared_norms());
    } else {
      add_squares(group, squares);
    }
  }
  return squares;
}

std::vector<std::string> Gather::forms() const {
  std::vector<std::string> forms(leaves_.size(), "no gradient");
  for (const auto& group : groups_) {
    for (size_t leaf : group.leaves) {
      forms[leaf] = group.simple ? terms_[group.slots.front()]->form()
                                 : "functions of parameters, an example at a time";
    }
  }
  return forms;
}

void Gather::add_squares(const Group& group, torch::Tensor& squares) {
  for (int64_t b = 0; b < batch_; ++b) {
    std::vector<torch::Tensor> gradients;
    for (size_t slot : group.slots) gradients.push_back(terms_[slot]->example(b));
    const auto pulled = pull(group, gradients);
    for (size_t i = 0; i < group.leaves.size(); ++i) {
      if (!pulled[i].defined()) continue;
      squares[group.leaves[i]][b] = row_squares(pulled[i].reshape({1, -1}))[0];
    }
  }
}

// Gradients of the slots through the parameter-only part of the graph.
std::vector<torch::Tensor> Gather::pull(const Group& group, std::vector<torch::Tensor>& gradients) {
  if (group.leaves.size() == 1 && group.slots.size() == 1 &&
      tape_.slots[group.slots.front()].is_leaf) {
    return std::move(gradients);
  }
  torch::autograd::edge_list roots, outputs;
  torch::autograd::variable_list inputs;
  for (size_t i = 0; i < group.slots.size(); ++i) {
    const auto& slot = tape_.slots[group.slots[i]];
    roots.push_back(slot.edge);
    inputs.push_back(gradients[i].reshape(sizes_at(slot.edge)));
  }
  for (size_t leaf : group.leaves) {
    outputs.push_back(torch::autograd::impl::gradient_edge(leaves_[leaf]));
  }
  return torch::autograd::Engine::get_default_engine().execute(roots, inputs, /*keep_graph=*/true,
                                                               /*create_graph=*/false,
                                                               /*accumulate_grad=*/false, outputs);
}

void Gather::add_sums(const ClipFactors& factors) {
  // No view is recorded below this dispatch key, so that a sum may become a gradient as it is.
  at::AutoDispatchBelowADInplaceOrView guard;
  for (auto& term : terms_) {
    if (term && factors.report.non_finite > 0) term->forget(factors.finite);
  }
  // Flat clipping has one factor for all parameters; otherwise each takes its own sum.
  torch::Tensor row, weights;
  for (const auto& group : groups_) {
    std::vector<torch::Tensor> pulled;
    for (size_t i = 0; i < group.leaves.size(); ++i) {
      const auto& leaf = leaves_[group.leaves[i]];
      const auto next = factors.values[group.leaves[i]];
      const bool same = row.defined() && torch::equal(row, next);
      if (!same) {
        row = next;
        weights = row.to(leaf.options().requires_grad(false));
      }
      if (i == 0 || !same) pulled = weighted(group, weights);
      if (pulled[i].defined()) add_to_grad(leaf, std::exchange(pulled[i], {}));
    }
  }
  for (const auto& leaf : leaves_) {
    if (!leaf.grad().defined()) add_to_grad(leaf, torch::zeros_like(leaf));
  }
}

std::vector<torch::Tensor> Gather::weighted(const Group& group, const torch::Tensor& factors) {
  std::vector<torch::Tensor> sums;
  for (size_t slot : group.slots) sums.push_back(terms_[slot]->weighted_sum(factors));
  return pull(group, sums);
}

}  // namespace starling::graph
