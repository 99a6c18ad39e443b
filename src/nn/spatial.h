#pragma once
// Options of convolution and pooling that are one number for all dimensions or a list of one each.

#include <torch/expanding_array.h>

#include <string>
#include <vector>

#include "nn/layer.h"

namespace starling {

template <size_t D>
torch::ExpandingArray<D> spatial(JsonObject& options, const std::string& key, int64_t low) {
  if (!options.raw(key).is_array()) return options.integer(key, low, kLargestSize);
  const auto values = options.integers(key, low, kLargestSize);
  if (values.size() != D)
    options.fail(key, "has " + std::to_string(values.size()) + " numbers; " + std::to_string(D) +
                          " are needed, or one for all");
  return torch::ExpandingArray<D>(values);
}

template <size_t D>
torch::ExpandingArray<D> spatial(JsonObject& options, const std::string& key, int64_t low,
                                 torch::ExpandingArray<D> fallback) {
  return options.has(key) ? spatial<D>(options, key, low) : fallback;
}

}  // namespace starling
