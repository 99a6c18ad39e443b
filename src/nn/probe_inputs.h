#pragma once
// What the checks of a model share: synthetic inputs, a loss, its parameters, and the care to leave
// the module as it was.

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "starling/nn/per_example.h"
#include "starling/nn/probe.h"

namespace starling {

// Random state, gradients and buffers as they were, whatever happens in between.
class Restore {
 public:
  explicit Restore(torch::nn::Module& module);
  ~Restore();
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

  // The same dropout masks again.
  void rewind();

 private:
  std::vector<std::pair<at::Generator, torch::Tensor>> generators_;  // and their states
  std::vector<std::pair<torch::Tensor, torch::Tensor>> gradients_, buffers_;
};

// [batch, input.shape...]: tokens or normal values, on the device and of the type of the
// parameters.
torch::Tensor synthetic(const ProbeInput& input, int64_t batch, const torch::nn::Module& module,
                        uint64_t seed);

// [B]: a smooth loss with a different weight for every output. outputs: [B, ...].
torch::Tensor synthetic_losses(const torch::Tensor& outputs);

// Trainable parameters, each once under its first name.
NamedParameters trainable(const torch::nn::Module& module);

// "module layers.0" for "layers.0.weight".
std::string module_of(const std::string& parameter);

}  // namespace starling
