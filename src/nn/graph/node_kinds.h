#pragma once
// What the engine knows about autograd's node classes, in one table: names and saved fields change
// between LibTorch releases.

#include "nn/graph/tape.h"

namespace starling::graph {

// A one-input view that moves entries and drops or repeats none: its gradient has the same norm.
bool is_view(const Node& node);
// expand and repeat: functions of parameters alone when given parameters, often one copy an
// example.
bool is_repeat(const Node& node);
// A function of its differentiable inputs and of constants in the program only, provided that each
// of its edges leads to such a function.
bool is_data_free(Node& node);
// The transpose of a matrix.
bool is_transpose(const Node& node);
bool is_matrix_product(const Node& node);

// May give entries to other examples from batch to batch although nothing about the graph changes:
// indexing, sorting, packing, splitting by lengths.
bool moves_entries(const Node& node);

// Empty, or why the operation mixes the examples of a batch of this size, with the remedy.
std::string mixing_reason(Node& node, int64_t batch);

}  // namespace starling::graph
