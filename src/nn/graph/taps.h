#pragma once
// The backward pass that hands over the output gradients of each use as they come, so that what
// norms and sums do not need is let go while the rest of the graph still waits.

#include <torch/types.h>

#include <functional>

#include "nn/graph/capture.h"
#include "nn/graph/tape.h"

namespace starling::graph {

enum class KeepGraph { no, yes };

// Called with the index in Tape::uses, before that node runs and at most once a use; not at all
// where no gradient arrives.
using Arrived = std::function<void(size_t use, Gradients gradients)>;

// One backward pass from all losses. The graph is afterwards as it was, but for the saved tensors
// that KeepGraph::no lets go.
void backward_with_taps(const Tape& tape, const torch::Tensor& losses, KeepGraph keep,
                        const Arrived& arrived);

}  // namespace starling::graph
