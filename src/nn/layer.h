#pragma once
// One layer of a model described in JSON, and the builders of every kind. A builder reads its
// options with torch::nn's names from a JsonObject, takes input sizes that are left out from the
// shape of the tensor that reaches the layer, and returns the module with its forward pass.

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "starling/core/json.h"
#include "starling/nn/model.h"

namespace starling {

struct Layer {
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const torch::Tensor&)> forward;
};

template <class Holder>
Layer layer_of(Holder module) {
  return {module.ptr(),
          [module](const torch::Tensor& input) mutable { return module->forward(input); }};
}

// What a builder may read: the layer's options, the tensor that will reach it ([2, ...], zeros or
// what the layers before make of zeros), and the number of classes where the layer is the last.
struct LayerSite {
  JsonObject& options;
  const torch::Tensor& input;
  std::optional<int64_t> classes;

  // Size of the input's dimension `dim`, or the option where the file states it; a stated size is
  // checked by the forward pass.
  int64_t size_or(const std::string& key, int64_t dim) const;

  // Refuses a weight of these extents where it has more than kLargestWeight values, before LibTorch
  // asks for the memory.
  void limit_weight(const std::vector<int64_t>& extents) const;
};

struct LayerKind {
  const char* name;
  Layer (*build)(const LayerSite&);
};

// Limits that keep a slip of the hand from asking for all memory.
inline constexpr int64_t kLargestSize = int64_t{1} << 24;
inline constexpr int64_t kLargestWeight = int64_t{1} << 30;

std::span<const LayerKind> dense_kinds();          // linear, embedding, flatten, dropout ...
std::span<const LayerKind> activation_kinds();     // relu, tanh, gelu ...
std::span<const LayerKind> convolution_kinds();    // conv1d..3d, conv_transpose2d
std::span<const LayerKind> pooling_kinds();        // max_pool2d, adaptive_avg_pool2d ...
std::span<const LayerKind> normalisation_kinds();  // group_norm, layer_norm, batch_norm2d ...
std::span<const LayerKind> sequence_kinds();       // lstm, gru, rnn, attention, transformer
std::span<const LayerKind> container_kinds();      // sequential, residual

// Layers run in order; itself a Model, and what `sequential` and `residual` hold.
class LayerList final : public Model {
 public:
  void append(const std::string& name, Layer layer);
  torch::Tensor forward(torch::Tensor input) override;
  // Also what each layer made of it, in their order.
  torch::Tensor forward(torch::Tensor input, std::vector<torch::Tensor>& outputs);
  std::vector<std::string> names() const { return named_children().keys(); }

 private:
  std::vector<Layer> layers_;
};

struct BuiltList {
  std::shared_ptr<LayerList> list;
  torch::Tensor output;  // what the last layer made of the input
};

// Builds every layer and runs it, in evaluation mode, on the output of the one before.
BuiltList build_list(const std::vector<JsonObject>& layers, const torch::Tensor& input,
                     std::optional<int64_t> classes);

// "[batch, 1, 28, 28]"
std::string shape_text(const torch::Tensor& batch);

}  // namespace starling
