#include <torch/torch.h>

#include <algorithm>

#include "nn/layer.h"

namespace starling {
namespace {

namespace nn = torch::nn;

void check_sequence(const LayerSite& site) {
  TORCH_CHECK(site.input.dim() == 3, "it needs [batch, time, features]");
}

// What goes on to the next layer: every time step, or the state after the whole sequence was read
// (of both directions, side by side, where there are two).
enum class Output { sequence, last };

Output output_of(JsonObject& options) {
  return options.choice<Output>("output", {{"sequence", Output::sequence}, {"last", Output::last}},
                                Output::sequence);
}

torch::Tensor last_state(const torch::Tensor& sequence, bool bidirectional) {
  if (!bidirectional) return sequence.select(1, -1);
  const auto directions = sequence.chunk(2, -1);
  return torch::cat({directions[0].select(1, -1), directions[1].select(1, 0)}, -1);
}

template <class Recurrent>
Layer recurrent_layer(Recurrent module, Output output, bool bidirectional) {
  return {module.ptr(), [module, output, bidirectional](const torch::Tensor& input) mutable {
            const auto sequence = std::get<0>(module->forward(input));
            return output == Output::sequence ? sequence : last_state(sequence, bidirectional);
          }};
}

template <class Recurrent, class Options>
Layer recurrent(const LayerSite& site, Options settings) {
  auto& options = site.options;
  const bool bidirectional = options.boolean("bidirectional", false);
  settings.num_layers(options.integer("num_layers", 1, 64, 1))
      .bias(options.boolean("bias", true))
      .dropout(options.number("dropout", kUnitClosedOpen, 0.0))
      .bidirectional(bidirectional)
      .batch_first(true);
  return recurrent_layer(Recurrent(settings), output_of(options), bidirectional);
}

template <class Options>
Options sizes(const LayerSite& site) {
  check_sequence(site);
  const int64_t in = site.size_or("input_size", -1);
  const int64_t hidden = site.options.integer("hidden_size", 1, kLargestSize);
  site.limit_weight({4, hidden, std::max(in, hidden)});
  return Options(in, hidden);
}

Layer lstm(const LayerSite& site) {
  return recurrent<nn::LSTM>(site, sizes<nn::LSTMOptions>(site));
}

Layer gru(const LayerSite& site) { return recurrent<nn::GRU>(site, sizes<nn::GRUOptions>(site)); }

Layer rnn(const LayerSite& site) {
  using Nonlinearity = nn::RNNOptions::nonlinearity_t;
  auto settings = sizes<nn::RNNOptions>(site);
  settings.nonlinearity(site.options.choice<Nonlinearity>(
      "nonlinearity", {{"tanh", torch::kTanh}, {"relu", torch::kReLU}}, torch::kTanh));
  return recurrent<nn::RNN>(site, settings);
}

// Self-attention, batch first; torch::nn's C++ module has time first.
Layer multihead_attention(const LayerSite& site) {
  check_sequence(site);
  auto& options = site.options;
  const int64_t width = site.size_or("embed_dim", -1);
  site.limit_weight({3, width, width});
  nn::MultiheadAttentionOptions settings(width, options.integer("num_heads", 1, kLargestSize));
  settings.dropout(options.number("dropout", kUnitClosedOpen, 0.0))
      .bias(options.boolean("bias", true));
  nn::MultiheadAttention module(settings);
  return {module.ptr(), [module](const torch::Tensor& input) mutable {
            const auto x = input.transpose(0, 1);
            const auto [output, weights] = module->forward(x, x, x, {}, /*need_weights=*/false);
            return output.transpose(0, 1);
          }};
}

Layer transformer_encoder_layer(const LayerSite& site) {
  check_sequence(site);
  auto& options = site.options;
  const int64_t width = site.size_or("d_model", -1);
  const int64_t hidden = options.integer("dim_feedforward", 1, kLargestSize, 2048);
  site.limit_weight({width, std::max(3 * width, hidden)});
  nn::TransformerEncoderLayerOptions settings(width, options.integer("nhead", 1, kLargestSize));
  settings.dim_feedforward(hidden)
      .dropout(options.number("dropout", kUnitClosedOpen, 0.1))
      .activation(options.choice<nn::activation_t>(
          "activation", {{"relu", torch::kReLU}, {"gelu", torch::kGELU}}, torch::kReLU));
  nn::TransformerEncoderLayer module(settings);
  return {module.ptr(), [module](const torch::Tensor& input) mutable {
            return module->forward(input.transpose(0, 1)).transpose(0, 1);
          }};
}

constexpr LayerKind kKinds[] = {
    {"lstm", lstm},
    {"gru", gru},
    {"rnn", rnn},
    {"multihead_attention", multihead_attention},
    {"transformer_encoder_layer", transformer_encoder_layer},
};

}  // namespace

std::span<const LayerKind> sequence_kinds() { return kKinds; }

}  // namespace starling
