#pragma once
// The whole pass: read the graph, run backward once, take every example's norm, clip, add the sums.

#include <torch/types.h>

#include <string>
#include <vector>

#include "nn/graph/tape.h"
#include "starling/nn/per_example.h"

namespace starling::graph {

struct Leaves {
  std::vector<std::string> names;
  std::vector<torch::Tensor> tensors;
  LeafIndex index;
};

// `without_rule` receives the operations that were called an example at a time, each with a
// parameter; the first time in a process they are also logged.
ClippedBackward clipped_backward(const torch::Tensor& losses, const Leaves& leaves,
                                 const Clipping& clipping, std::vector<std::string>& without_rule);

}  // namespace starling::graph
