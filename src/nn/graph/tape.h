#pragma once
// Where the autograd graph of the losses uses parameters. A node whose edge leads to a parameter,
// or to a function of parameters alone (a transpose, a slice, weight normalisation), is a use of
// it: what lies below that edge does not depend on data, so the gradient of one example may be
// pulled through it alone.

#include <torch/csrc/autograd/function.h>
#include <torch/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace starling::graph {

using Node = torch::autograd::Node;
using Edge = torch::autograd::Edge;
using LeafIndex = std::unordered_map<const c10::TensorImpl*, size_t>;

// The value whose gradient is collected: a parameter, or what a function of parameters returns.
struct Slot {
  Edge edge;                   // where its gradient enters
  std::vector<size_t> leaves;  // the parameters below it
  bool is_leaf = false;        // the edge leads to the parameter itself
  bool is_view = false;        // a chain of views of one parameter: norms carry over
};

struct ParameterEdge {
  uint32_t index;           // which edge of the node
  size_t slot;              // index in Tape::slots
  bool transposed = false;  // the node sees the transpose of the slot (matrix products only)
};

struct Use {
  Node* node;
  size_t position;  // in the order of the walk
  std::vector<ParameterEdge> edges;
};

struct Tape {
  std::vector<Node*> nodes;
  std::vector<Use> uses;
  std::vector<Slot> slots;
  std::vector<uintptr_t> key;  // equal for graphs of equal structure, whatever their sizes
};

// `promoted`: positions of nodes to treat as functions of parameters although they repeat them
// (expand, repeat), because their gradient mixes examples. Errors: Error at an operation that is
// known to mix examples (batch normalisation in training mode).
Tape read_tape(const torch::Tensor& losses, const LeafIndex& leaves,
               const std::set<size_t>& promoted);

// The input sizes of a node's edge target, as the engine would reduce a gradient to.
std::vector<int64_t> sizes_at(const Edge& edge);

// For a node without inputs that is to receive the gradients which `from` receives.
void copy_input_metadata(const Node& from, Node& to);

}  // namespace starling::graph
