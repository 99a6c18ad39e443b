#pragma once
// Batch normalisation of any dimension: what it returns for one example depends on the others.

#include <torch/nn/modules/batchnorm.h>

namespace starling {

inline bool is_batch_norm(const torch::nn::Module& module) {
  return module.as<torch::nn::BatchNorm1dImpl>() != nullptr ||
         module.as<torch::nn::BatchNorm2dImpl>() != nullptr ||
         module.as<torch::nn::BatchNorm3dImpl>() != nullptr;
}

}  // namespace starling
