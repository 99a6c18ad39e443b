#pragma once
// Backward passes from per-example losses to the outputs of the nodes that use parameters, to learn
// which example owns what. No ordinary weight gradient is computed on the way, and the graph is
// kept.

#include <torch/types.h>

#include <span>
#include <string>
#include <vector>

#include "nn/graph/ownership.h"
#include "nn/graph/tape.h"

namespace starling::graph {

// The gradient of each output of one use and the example that owns each of its entries.
struct Captured {
  Gradients gradients;  // one an output of the operation; undefined where no gradient flows
  std::vector<Layout> layouts;
};

// root: [B], the gradient of the losses. One entry a use, layouts left empty.
std::vector<Captured> capture(std::span<const Use> uses, const torch::Tensor& losses,
                              const torch::Tensor& root);

struct CapturePlan {
  Tape tape;
  bool decided = true;  // false: the entries of this batch do not show their owners
  bool is_new = false;  // no graph of this structure has been differentiated before
  std::vector<std::vector<Layout>> layouts;  // [use][output]
};

// Finds out which example owns what, from the structure of the graph where it has been seen before
// in this process and otherwise by differentiating it a few times. Graphs that index, sort or pack
// are differentiated anew for every batch. The names are the leaves'.
// Errors: Error naming the operation and the parameter when examples are mixed.
CapturePlan plan_capture(const torch::Tensor& losses, const LeafIndex& leaves,
                         const std::vector<std::string>& names);

}  // namespace starling::graph
