#include "nn/graph/taps.h"

#include <torch/csrc/autograd/engine.h>

#include <unordered_map>
#include <utility>

namespace starling::graph {
namespace {

using torch::autograd::variable_list;

// What every tap leads to: without an output below it, the engine would not run it.
class Sink final : public Node {
 public:
  Sink() { add_input_metadata(torch::zeros({})); }
  variable_list apply(variable_list&&) override { return {}; }
};

// Stands before a use and passes its gradients on.
class Tap final : public Node {
 public:
  Tap(Node& use, const c10::intrusive_ptr<Node>& sink, std::function<void(Gradients)> arrived)
      : arrived_(std::move(arrived)) {
    torch::autograd::edge_list edges;
    for (uint32_t i = 0; i < use.num_inputs(); ++i) edges.emplace_back(use.getptr(), i);
    edges.emplace_back(sink, 0);
    copy_input_metadata(use, *this);
    set_next_edges(std::move(edges));
  }

  variable_list apply(variable_list&& gradients) override {
    arrived_(gradients);
    gradients.emplace_back();
    return std::move(gradients);
  }
  std::string name() const override { return "Tap"; }

 private:
  std::function<void(Gradients)> arrived_;
};

// Turns the edges that lead to a use to its tap for as long as it lives.
class Taps {
 public:
  Taps(const Tape& tape, const Arrived& arrived) : sink_(c10::make_intrusive<Sink>()) {
    for (size_t u = 0; u < tape.uses.size(); ++u) {
      Node* const use = tape.uses[u].node;
      taps_[use] = c10::make_intrusive<Tap>(
          *use, sink_, [&arrived, u](Gradients gradients) { arrived(u, std::move(gradients)); });
    }
    for (Node* node : tape.nodes) {
      // set_next_edge accepts only nodes that are older than this one; the graph has no cycle here.
      for (auto& edge : const_cast<torch::autograd::edge_list&>(node->next_edges())) turn(edge);
    }
  }
  Taps(const Taps&) = delete;
  Taps& operator=(const Taps&) = delete;
  ~Taps() {
    for (auto& [edge, before] : turned_) *edge = std::move(before);
  }

  Edge root(const torch::Tensor& losses) const {
    const auto tap = taps_.find(losses.grad_fn().get());
    if (tap != taps_.end()) return Edge(tap->second, losses.output_nr());
    return Edge(losses.grad_fn(), losses.output_nr());
  }
  Edge sink() const { return Edge(sink_, 0); }

 private:
  void turn(Edge& edge) {
    const auto tap = taps_.find(edge.function.get());
    if (tap == taps_.end()) return;
    turned_.emplace_back(&edge, std::exchange(edge, Edge(tap->second, edge.input_nr)));
  }

  c10::intrusive_ptr<Node> sink_;
  std::unordered_map<Node*, c10::intrusive_ptr<Node>> taps_;
  std::vector<std::pair<Edge*, Edge>> turned_;
};

}  // namespace

void backward_with_taps(const Tape& tape, const torch::Tensor& losses, KeepGraph keep,
                        const Arrived& arrived) {
  const Taps taps(tape, arrived);
  torch::autograd::Engine::get_default_engine().execute(
      {taps.root(losses)}, {torch::ones_like(losses)}, keep == KeepGraph::yes,
      /*create_graph=*/false, /*accumulate_grad=*/false, {taps.sink()});
}

}  // namespace starling::graph
