#pragma once
// LibTorch's native LSTM layer on the CPU (MkldnnRnnLayerBackward0: one layer, one direction) hides
// its gates, so that per-example weight gradients cannot be told from outside. This node takes its
// place in the graph: it reads the gates from the native node's workspace, or computes them again
// by two products over all time steps, runs the recursion back in time, and keeps the gradient of
// the gates, from which every parameter's share follows. Hochreiter and Schmidhuber 1997; gates in
// LibTorch's order: input, forget, cell, output.

#include <torch/csrc/autograd/function.h>
#include <torch/types.h>

#include "nn/graph/tape.h"

namespace starling::graph {

class PackedMatrix;

class LstmNode final : public torch::autograd::Node {
 public:
  // Edges: input, w_ih, w_hh, b_ih, b_hh, hx, cx, as the native node's.
  struct Saved {
    torch::Tensor input;         // [T, B, I]
    torch::Tensor output;        // [T, B, H]
    torch::Tensor hidden, cell;  // [B, H], the initial state
    torch::Tensor w_ih, w_hh;    // [4 H, I], [4 H, H]
    torch::Tensor bias;          // [4 H], the sum of both; undefined without biases
    torch::Tensor gates;         // [T, B, 4 H] as the workspace is thought to hold them; may be
                                 // undefined, and is used only if it explains every output
    bool reverse = false;        // runs from the last step to the first
  };
  explicit LstmNode(Saved saved);

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override;
  std::string name() const override { return "LstmBackward"; }
  void release_variables() override {}

  // [T, B, 4 H] in the order of the recursion. Asked for when the output gradients arrive, before
  // the backward pass comes through, which then does not work them out again.
  const torch::Tensor& gate_gradients(const std::vector<torch::Tensor>& gradients);
  const torch::Tensor& bias_gradients() const { return bias_gradients_; }  // [B, 4 H]
  void expect_new_gradients() { tapped_ = false; }
  int64_t inputs_batch() const { return saved_.input.size(1); }
  const torch::Tensor& inputs() const { return input_; }       // [T, B, I] in the same order
  const torch::Tensor& previous() const { return previous_; }  // [T, B, H], the states before each

 private:
  void find_gates();
  bool gates_explain_outputs(const torch::Tensor& outputs);
  void recompute_gates();
  void run_back(const std::vector<torch::Tensor>& gradients);
  // Time step t of examples `begin` to `end`.
  void step_back(int64_t t, int64_t begin, int64_t end, const torch::Tensor& output,
                 const PackedMatrix& w_hh, torch::Tensor& result);
  torch::Tensor in_order(const torch::Tensor& sequence) const;

  Saved saved_;
  torch::Tensor input_, previous_;
  torch::Tensor gates_;             // activations [T, B, 4 H]
  torch::Tensor cells_, squashed_;  // states [T + 1, B, H], and tanh of those after each step
  torch::Tensor gate_gradients_, bias_gradients_, hidden_gradient_, cell_gradient_;
  bool tapped_ = false;  // these are of the pass that is running
};

// Puts an LstmNode in the place of every native LSTM layer that it covers.
void replace_native_lstm(const torch::Tensor& losses);

}  // namespace starling::graph
