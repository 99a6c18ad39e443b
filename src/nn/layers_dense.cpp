#include <torch/torch.h>

#include "nn/layer.h"

namespace starling {
namespace {

namespace nn = torch::nn;

Layer linear(const LayerSite& site) {
  auto& options = site.options;
  const int64_t in = site.size_or("in_features", -1);
  const int64_t out = site.classes ? options.integer("out_features", 1, kLargestSize, *site.classes)
                                   : options.integer("out_features", 1, kLargestSize);
  site.limit_weight({in, out});
  return layer_of(nn::Linear(nn::LinearOptions(in, out).bias(options.boolean("bias", true))));
}

Layer flatten(const LayerSite& site) {
  const int64_t start = site.options.integer("start_dim", -64, 64, 1);
  const int64_t end = site.options.integer("end_dim", -64, 64, -1);
  return layer_of(nn::Flatten(nn::FlattenOptions().start_dim(start).end_dim(end)));
}

// Tokens arrive as the data set holds them, as floats.
Layer embedding(const LayerSite& site) {
  auto& options = site.options;
  const int64_t rows = options.integer("num_embeddings", 1, kLargestSize);
  const int64_t width = options.integer("embedding_dim", 1, kLargestSize);
  site.limit_weight({rows, width});
  nn::EmbeddingOptions settings(rows, width);
  settings.padding_idx(options.optional_integer("padding_idx", -rows, rows - 1));
  nn::Embedding table(settings);
  return {table.ptr(), [table](const torch::Tensor& tokens) mutable {
            return table->forward(tokens.to(torch::kLong));
          }};
}

class PositionEmbedding final : public nn::Module {
 public:
  PositionEmbedding(int64_t length, int64_t width)
      : weight_(register_parameter("weight", torch::randn({length, width}).mul_(0.02))) {}
  torch::Tensor forward(const torch::Tensor& input) {
    TORCH_CHECK(input.dim() == 3, "position_embedding needs [batch, time, features]");
    return input + weight_.narrow(0, 0, input.size(1));
  }

 private:
  torch::Tensor weight_;
};

Layer position_embedding(const LayerSite& site) {
  TORCH_CHECK(site.input.dim() == 3, "position_embedding needs [batch, time, features]");
  const int64_t length = site.size_or("max_length", 1);
  const int64_t width = site.size_or("embedding_dim", 2);
  site.limit_weight({length, width});
  return layer_of(
      nn::ModuleHolder<PositionEmbedding>(std::make_shared<PositionEmbedding>(length, width)));
}

Layer dropout(const LayerSite& site) {
  return layer_of(nn::Dropout(site.options.number("p", kUnitClosedOpen, 0.5)));
}

Layer dropout2d(const LayerSite& site) {
  return layer_of(nn::Dropout2d(site.options.number("p", kUnitClosedOpen, 0.5)));
}

Layer mean(const LayerSite& site) {
  const int64_t dim = site.options.integer("dim", -64, 64, 1);
  return layer_of(nn::Functional([dim](const torch::Tensor& input) { return input.mean(dim); }));
}

Layer transpose(const LayerSite& site) {
  const int64_t first = site.options.integer("dim0", -64, 64, 1);
  const int64_t second = site.options.integer("dim1", -64, 64, 2);
  return layer_of(nn::Functional(
      [first, second](const torch::Tensor& input) { return input.transpose(first, second); }));
}

constexpr LayerKind kKinds[] = {
    {"linear", linear},   {"flatten", flatten},     {"embedding", embedding},
    {"dropout", dropout}, {"dropout2d", dropout2d}, {"position_embedding", position_embedding},
    {"mean", mean},       {"transpose", transpose},
};

}  // namespace

std::span<const LayerKind> dense_kinds() { return kKinds; }

}  // namespace starling
