#include "nn/graph/lstm_node.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/generated/Functions.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "nn/graph/kernels.h"
#include "nn/graph/packed_matrix.h"

namespace starling::graph {
namespace {

using torch::autograd::generated::MkldnnRnnLayerBackward0;

enum EdgeIndex : uint32_t {
  kInput,
  kInputWeight,
  kHiddenWeight,
  kInputBias,
  kHiddenBias,
  kHidden,
  kCell
};

torch::Tensor state(const torch::autograd::SavedVariable& saved, int64_t batch, int64_t hidden) {
  return saved.unpack().detach().reshape({batch, hidden}).contiguous();
}

constexpr float kOutputTolerance = 1e-5f;  // of outputs within [-1, 1]
constexpr int64_t kGrainCells = 16384;     // states that are worth a thread

// oneDNN keeps the activated gates in front of its workspace, [T, B, row], rows of 4 H padded to
// whole cache lines, and by one more where that is a multiple of 256.
torch::Tensor gates_in_workspace(const torch::Tensor& workspace, int64_t steps, int64_t batch,
                                 int64_t hidden) {
  constexpr int64_t kLine = 16;
  int64_t row = (4 * hidden + kLine - 1) / kLine * kLine;
  if (row % 256 == 0) row += kLine;
  const int64_t bytes = steps * batch * row * static_cast<int64_t>(sizeof(float));
  const bool fits = workspace.defined() && workspace.scalar_type() == torch::kByte &&
                    workspace.is_contiguous() && workspace.numel() >= bytes &&
                    reinterpret_cast<uintptr_t>(workspace.const_data_ptr()) % sizeof(float) == 0;
  if (!fits) return {};
  return workspace.flatten()
      .slice(0, 0, bytes)
      .view(torch::kFloat32)
      .view({steps, batch, row})
      .slice(2, 0, 4 * hidden);
}

// num_layers, bidirectional and batch_first are the module's; each node is one layer in one
// direction and time-major.
bool covers(const MkldnnRnnLayerBackward0& node) {
  if (!node.train || !node.batch_sizes.empty() || node.num_outputs() != 7) return false;
  const auto weight = node.weight0_.unpack(), input = node.input_.unpack();
  return weight.defined() && weight.dim() == 2 && weight.size(0) == 4 * node.hidden_size &&
         input.scalar_type() == torch::kFloat32 && input.dim() == 3 && input.numel() > 0;
}

c10::intrusive_ptr<LstmNode> replacement_of(MkldnnRnnLayerBackward0& node) {
  LstmNode::Saved saved;
  saved.input = node.input_.unpack().detach();
  saved.output = node.result0_.unpack(node.getptr()).detach();
  const int64_t batch = saved.input.size(1);
  saved.hidden = state(node.hx__, batch, node.hidden_size);
  saved.cell = state(node.cx__, batch, node.hidden_size);
  saved.w_ih = node.weight0_.unpack().detach();
  saved.w_hh = node.weight1_.unpack().detach();
  if (node.has_biases)
    saved.bias = node.weight2_.unpack().detach() + node.weight3_.unpack().detach();
  saved.gates = gates_in_workspace(node.result3_.unpack(node.getptr()), saved.input.size(0), batch,
                                   node.hidden_size);
  saved.reverse = node.reverse;
  auto replacement = c10::make_intrusive<LstmNode>(std::move(saved));
  replacement->set_next_edges(torch::autograd::edge_list(node.next_edges()));
  copy_input_metadata(node, *replacement);
  return replacement;
}

}  // namespace

LstmNode::LstmNode(Saved saved) : saved_(std::move(saved)) {}

torch::Tensor LstmNode::in_order(const torch::Tensor& sequence) const {
  return saved_.reverse ? sequence.flip(0) : sequence;
}

void LstmNode::find_gates() {
  if (gates_.defined()) return;
  input_ = in_order(saved_.input);
  const int64_t steps = input_.size(0), batch = input_.size(1), hidden = saved_.w_hh.size(1);
  const auto outputs = in_order(saved_.output).contiguous();
  previous_ = torch::cat({saved_.hidden.unsqueeze(0), outputs.slice(0, 0, steps - 1)});
  cells_ = torch::empty({steps + 1, batch, hidden}, outputs.options());
  cells_[0].copy_(saved_.cell);
  squashed_ = torch::empty_like(outputs);
  gates_ = saved_.gates;
  if (gates_.defined() && gates_explain_outputs(outputs)) return;
  recompute_gates();
  gates_explain_outputs(outputs);
}

// The states that follow from the gates, and whether the outputs do.
bool LstmNode::gates_explain_outputs(const torch::Tensor& outputs) {
  const int64_t steps = outputs.size(0), batch = outputs.size(1), hidden = outputs.size(2);
  const auto* const gates = gates_.const_data_ptr<float>();
  const auto* const output = outputs.const_data_ptr<float>();
  auto* const cells = cells_.mutable_data_ptr<float>();
  auto* const squashed = squashed_.mutable_data_ptr<float>();
  // Examples do not meet, as in run_back.
  const auto of_examples = [&](int64_t begin, int64_t end, float most) {
    for (int64_t row = begin; row < steps * batch; row += batch)
      most =
          std::max(most, kernels().lstm_cells(gates + row * gates_.stride(1), gates_.stride(1),
                                              output + row * hidden, cells + row * hidden,
                                              squashed + row * hidden, end - begin, batch, hidden));
    return most;
  };
  const float difference =
      at::parallel_reduce(0, batch, kGrainCells / (steps * hidden + 1) + 1, 0.0f, of_examples,
                          [](float a, float b) { return std::max(a, b); });
  return difference <= kOutputTolerance;
}

void LstmNode::recompute_gates() {
  const int64_t steps = input_.size(0), batch = input_.size(1), hidden = saved_.w_hh.size(1);
  const auto flat = input_.reshape({steps * batch, -1});
  auto sums = saved_.bias.defined() ? torch::addmm(saved_.bias, flat, saved_.w_ih.t())
                                    : flat.mm(saved_.w_ih.t());
  sums.addmm_(previous_.view({-1, hidden}), saved_.w_hh.t());
  kernels().lstm_activate(sums.mutable_data_ptr<float>(), steps * batch, hidden);
  gates_ = sums.view({steps, batch, 4 * hidden});
}

void LstmNode::run_back(const std::vector<torch::Tensor>& gradients) {
  find_gates();
  const int64_t steps = input_.size(0), batch = input_.size(1), hidden = saved_.w_hh.size(1);
  const auto zero_or = [&](size_t index) {
    const bool flows = index < gradients.size() && gradients[index].defined();
    return flows ? gradients[index].reshape({batch, hidden}).clone()
                 : torch::zeros({batch, hidden}, cells_.options());
  };
  torch::Tensor output;
  if (gradients[0].defined()) output = in_order(gradients[0]);
  if (output.defined() && output.stride(2) != 1) output = output.contiguous();
  hidden_gradient_ = zero_or(1);
  cell_gradient_ = zero_or(2);
  auto result = torch::empty({steps, batch, 4 * hidden}, cells_.options());
  bias_gradients_ = torch::zeros({batch, 4 * hidden}, cells_.options());
  const PackedMatrix w_hh(saved_.w_hh);
  // Examples do not meet: each thread takes some of them through all steps.
  at::parallel_for(0, batch, kGrainProducts / (steps * 4 * hidden * hidden) + 1,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t t = steps - 1; t >= 0; --t)
                       step_back(t, begin, end, output, w_hh, result);
                   });
  gate_gradients_ = result;
}

void LstmNode::step_back(int64_t t, int64_t begin, int64_t end, const torch::Tensor& output,
                         const PackedMatrix& w_hh, torch::Tensor& result) {
  const int64_t batch = input_.size(1), hidden = saved_.w_hh.size(1);
  const int64_t state = begin * hidden, row = t * batch + begin;
  float* const hidden_gradient = hidden_gradient_.mutable_data_ptr<float>() + state;
  float* const gate_gradients = result.mutable_data_ptr<float>() + row * 4 * hidden;
  LstmStep step{};
  step.gates = gates_.const_data_ptr<float>() + t * gates_.stride(0) + begin * gates_.stride(1);
  step.gate_step = gates_.stride(1);
  step.cells = cells_.const_data_ptr<float>() + row * hidden;
  step.squashed = squashed_.const_data_ptr<float>() + row * hidden;
  if (output.defined()) {
    step.output_step = output.stride(1);
    step.output_gradient =
        output.const_data_ptr<float>() + t * output.stride(0) + begin * output.stride(1);
  }
  step.hidden_gradient = hidden_gradient;
  step.batch = end - begin;
  step.hidden = hidden;
  kernels().lstm_step_back(step, cell_gradient_.mutable_data_ptr<float>() + state, gate_gradients,
                           bias_gradients_.mutable_data_ptr<float>() + 4 * state);
  w_hh.multiply(gate_gradients, 4 * hidden, end - begin, hidden_gradient);
}

const torch::Tensor& LstmNode::gate_gradients(const std::vector<torch::Tensor>& gradients) {
  torch::NoGradGuard no_grad;
  if (!std::exchange(tapped_, true)) run_back(gradients);
  return gate_gradients_;
}

torch::autograd::variable_list LstmNode::apply(torch::autograd::variable_list&& gradients) {
  torch::NoGradGuard no_grad;
  torch::autograd::variable_list result(num_outputs());
  bool flows = false;
  for (const auto& gradient : gradients) flows = flows || gradient.defined();
  if (!flows) return result;
  if (!std::exchange(tapped_, false)) run_back(gradients);
  const auto gates = gate_gradients_.view({-1, gate_gradients_.size(2)});
  const auto wanted = [&](uint32_t edge) { return task_should_compute_output(edge); };
  if (wanted(kInput)) {
    const auto input = PackedMatrix(saved_.w_ih).multiply(gate_gradients_);
    result[kInput] = saved_.reverse ? input.flip(0) : input;
  }
  if (wanted(kInputWeight)) result[kInputWeight] = gates.t().mm(input_.flatten(0, 1));
  if (wanted(kHiddenWeight)) result[kHiddenWeight] = gates.t().mm(previous_.flatten(0, 1));
  if (wanted(kInputBias)) result[kInputBias] = gates.sum(0);
  if (wanted(kHiddenBias)) result[kHiddenBias] = gates.sum(0);
  for (auto [edge, gradient] :
       {std::pair(kHidden, hidden_gradient_), std::pair(kCell, cell_gradient_)}) {
    if (wanted(edge)) result[edge] = gradient.reshape(sizes_at(next_edge(edge)));
  }
  return result;
}

void replace_native_lstm(const torch::Tensor& losses) {
  torch::NoGradGuard no_grad;
  std::vector<Node*> nodes{losses.grad_fn().get()};
  std::unordered_set<Node*> seen{nodes.front()};
  std::vector<MkldnnRnnLayerBackward0*> layers;
  for (size_t next = 0; next < nodes.size(); ++next) {
    if (auto* layer = dynamic_cast<MkldnnRnnLayerBackward0*>(nodes[next])) {
      if (next > 0 && covers(*layer)) layers.push_back(layer);
    }
    for (const auto& edge : nodes[next]->next_edges()) {
      if (edge.is_valid() && seen.insert(edge.function.get()).second) {
        nodes.push_back(edge.function.get());
      }
    }
  }
  if (layers.empty()) return;
  std::unordered_map<Node*, c10::intrusive_ptr<LstmNode>> replacements;
  for (auto* layer : layers) replacements.emplace(layer, replacement_of(*layer));
  // The replaced nodes live until every edge has been turned.
  std::vector<c10::intrusive_ptr<Node>> alive;
  for (auto* layer : layers) alive.push_back(layer->getptr());
  for (auto& [old, replacement] : replacements) nodes.push_back(replacement.get());
  for (auto* node : nodes) {
    for (const auto& edge : node->next_edges()) {
      const auto found = replacements.find(edge.function.get());
      if (found == replacements.end()) continue;
      // set_next_edge accepts only nodes that are older than this one; the graph has no cycle here.
      const_cast<Edge&>(edge) = Edge(found->second, edge.input_nr);
    }
  }
}

}  // namespace starling::graph
