#include "nn/probe_inputs.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <set>

namespace starling {

Restore::Restore(torch::nn::Module& module) {
  std::set<at::DeviceType> seen;
  const auto keep_generator = [&](const at::Device& device) {
    if (!seen.insert(device.type()).second) return;
    const auto generator = at::globalContext().defaultGenerator(device);
    generators_.emplace_back(generator, generator.get_state());
  };
  keep_generator(at::kCPU);
  for (auto& parameter : module.parameters()) {
    keep_generator(parameter.device());
    gradients_.emplace_back(parameter, parameter.grad());
    parameter.mutable_grad() = torch::Tensor();
  }
  for (auto& buffer : module.buffers()) buffers_.emplace_back(buffer, buffer.clone());
}

Restore::~Restore() {
  torch::NoGradGuard no_grad;
  rewind();
  for (auto& [parameter, gradient] : gradients_) parameter.mutable_grad() = gradient;
  for (auto& [buffer, copy] : buffers_) buffer.copy_(copy);
}

void Restore::rewind() {
  for (auto& [generator, state] : generators_) generator.set_state(state);
}

torch::Tensor synthetic(const ProbeInput& input, int64_t batch, const torch::nn::Module& module,
                        uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  auto sizes = input.shape;
  sizes.insert(sizes.begin(), batch);
  const auto parameters = module.parameters();
  const auto options = parameters.empty() ? torch::TensorOptions() : parameters.front().options();
  if (input.vocabulary > 0) {
    return torch::randint(input.vocabulary, sizes, generator, torch::kInt64).to(options.device());
  }
  return torch::randn(sizes, generator, options.device(at::kCPU).requires_grad(false))
      .to(options.device());
}

torch::Tensor synthetic_losses(const torch::Tensor& outputs) {
  const auto flat = outputs.reshape({outputs.size(0), -1});
  const auto phase = torch::arange(flat.size(1), flat.options());
  return (flat * (phase + 1).cos()).sum(1) + 0.5 * flat.square().sum(1);
}

NamedParameters trainable(const torch::nn::Module& module) {
  NamedParameters parameters;
  for (const auto& item : module.named_parameters()) {
    const auto& tensor = item.value();
    const bool known =
        std::any_of(parameters.begin(), parameters.end(),
                    [&](const auto& parameter) { return parameter.second.is_same(tensor); });
    if (tensor.requires_grad() && !known) parameters.emplace_back(item.key(), tensor);
  }
  return parameters;
}

std::string module_of(const std::string& parameter) {
  const auto dot = parameter.rfind('.');
  return dot == std::string::npos ? "the model" : "module " + parameter.substr(0, dot);
}

}  // namespace starling
