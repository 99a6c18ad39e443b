#pragma once
// From the terms of the slots to the gradients of the parameters: norms a parameter and example,
// then clipped sums. A parameter behind one view-only slot takes the slot's norms; parameters that
// share slots, or have several, are summed an example at a time before their norm.

#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "nn/graph/clipping.h"
#include "nn/graph/tape.h"
#include "nn/graph/term.h"

namespace starling::graph {

class Gather {
 public:
  // terms: one a slot, null where no gradient flows.
  Gather(const Tape& tape, Terms terms, const std::vector<torch::Tensor>& leaves, int64_t batch);

  torch::Tensor squared_norms();  // [leaves, B] float64 on the CPU
  // How the norms of each leaf were computed.
  std::vector<std::string> forms() const;
  void add_sums(const ClipFactors& factors);

 private:
  // Leaves and the slots they are computed by, closed under sharing.
  struct Group {
    std::vector<size_t> leaves, slots;
    bool simple = false;
  };
  void make_groups(const Tape& tape);
  // Consumes the gradients of the group's slots.
  std::vector<torch::Tensor> pull(const Group& group, std::vector<torch::Tensor>& gradients);
  std::vector<torch::Tensor> weighted(const Group& group, const torch::Tensor& factors);
  void add_squares(const Group& group, torch::Tensor& squares);

  const Tape& tape_;
  Terms terms_;
  const std::vector<torch::Tensor>& leaves_;
  const int64_t batch_;
  std::vector<Group> groups_;
};

}  // namespace starling::graph
