#pragma once
// The stock torch::nn models whose private step is measured, with the inputs of one step.

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace starling::bench {

struct Workload {
  std::string name;
  int64_t batch = 0;
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const torch::Tensor&)> forward;  // inputs -> logits [B, classes]
  torch::Tensor inputs, labels;
};

namespace nn = torch::nn;

inline nn::Sequential mlp() {
  return nn::Sequential(nn::Flatten(), nn::Linear(784, 256), nn::ReLU(), nn::Linear(256, 128),
                        nn::ReLU(), nn::Linear(128, 10));
}

inline nn::Sequential cnn_tutorial() {
  const auto pool = [] { return nn::MaxPool2d(nn::MaxPool2dOptions(2).stride(1)); };
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(1, 16, 8).stride(2).padding(3)), nn::ReLU(),
                        pool(), nn::Conv2d(nn::Conv2dOptions(16, 32, 4).stride(2)), nn::ReLU(),
                        pool(), nn::Flatten(), nn::Linear(512, 32), nn::ReLU(), nn::Linear(32, 10));
}

inline nn::Sequential cnn_mcmahan() {
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(1, 32, 5).padding(2)), nn::ReLU(),
                        nn::MaxPool2d(2), nn::Conv2d(nn::Conv2dOptions(32, 64, 5).padding(2)),
                        nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(), nn::Linear(3136, 512),
                        nn::ReLU(), nn::Linear(512, 10));
}

struct BlockImpl : nn::Module {
  BlockImpl(int64_t in, int64_t out, int64_t stride)
      : first(nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false)),
        second(nn::Conv2dOptions(out, out, 3).padding(1).bias(false)),
        first_norm(8, out),
        second_norm(8, out) {
    register_module("first", first);
    register_module("first_norm", first_norm);
    register_module("second", second);
    register_module("second_norm", second_norm);
    if (in == out && stride == 1) return;
    shortcut = register_module(
        "shortcut", nn::Conv2d(nn::Conv2dOptions(in, out, 1).stride(stride).bias(false)));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    const auto hidden = torch::relu(first_norm(first(x)));
    return torch::relu(second_norm(second(hidden)) + (shortcut ? shortcut(x) : x));
  }
  nn::Conv2d first, second, shortcut{nullptr};
  nn::GroupNorm first_norm, second_norm;
};
TORCH_MODULE(Block);

inline nn::Sequential resnet_gn() {
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(1, 16, 3).padding(1).bias(false)),
                        nn::GroupNorm(8, 16), nn::ReLU(), Block(16, 16, 1), Block(16, 16, 1),
                        Block(16, 32, 2), Block(32, 32, 1), Block(32, 64, 2), Block(64, 64, 1),
                        nn::AdaptiveAvgPool2d(1), nn::Flatten(), nn::Linear(64, 10));
}

struct LstmTextImpl : nn::Module {
  LstmTextImpl() : lstm(nn::LSTMOptions(64, 64).batch_first(true)) {
    register_module("embedding", embedding);
    register_module("lstm", lstm);
    register_module("output", output);
  }
  torch::Tensor forward(const torch::Tensor& tokens) {
    return output(std::get<0>(lstm(embedding(tokens))).select(1, -1));
  }
  nn::Embedding embedding{10000, 64};
  nn::LSTM lstm;
  nn::Linear output{64, 2};
};
TORCH_MODULE(LstmText);

struct TransformerTextImpl : nn::Module {
  TransformerTextImpl()
      : encoder(nn::TransformerEncoderOptions(
            nn::TransformerEncoderLayerOptions(128, 4).dim_feedforward(512).dropout(0.0), 2)) {
    register_module("embedding", embedding);
    register_module("encoder", encoder);
    register_module("output", output);
  }
  torch::Tensor forward(const torch::Tensor& tokens) {
    return output(encoder(embedding(tokens).transpose(0, 1)).mean(0));
  }
  nn::Embedding embedding{10000, 128};
  nn::TransformerEncoder encoder;
  nn::Linear output{128, 2};
};
TORCH_MODULE(TransformerText);

template <class Holder>
Workload workload_of(const std::string& name, Holder model, torch::Tensor inputs, int64_t classes) {
  Workload workload{name, inputs.size(0), model.ptr(), {}, inputs, {}};
  workload.forward = [model](const torch::Tensor& x) mutable { return model->forward(x); };
  workload.labels = torch::randint(classes, {inputs.size(0)});
  return workload;
}

inline Workload make_workload(const std::string& name, int64_t batch) {
  torch::manual_seed(1);
  const auto image = [&] { return torch::randn({batch, 1, 28, 28}); };
  const auto text = [&] { return torch::randint(10000, {batch, 64}); };
  if (name == "mlp") return workload_of(name, mlp(), image(), 10);
  if (name == "cnn_tutorial") return workload_of(name, cnn_tutorial(), image(), 10);
  if (name == "cnn_mcmahan") return workload_of(name, cnn_mcmahan(), image(), 10);
  if (name == "resnet_gn") return workload_of(name, resnet_gn(), image(), 10);
  if (name == "lstm") return workload_of(name, LstmText(), text(), 2);
  if (name == "transformer") return workload_of(name, TransformerText(), text(), 2);
  throw std::invalid_argument(name +
                              ": choose mlp, cnn_tutorial, cnn_mcmahan, resnet_gn, lstm or "
                              "transformer");
}

}  // namespace starling::bench
