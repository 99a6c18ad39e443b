#pragma once
// A data set in memory, free of LibTorch: flat features, and one label an example or, for
// regression, one number to predict.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace starling {

struct Dataset {
  std::string name;
  std::vector<int64_t> shape;    // of one example, e.g. {1, 28, 28} (channels, height, width)
  int64_t classes = 0;           // 0: regression
  std::vector<float> features;   // [size, shape...], normalised; or token ids
  std::vector<int64_t> labels;   // [size], 0..classes-1; empty for regression
  std::vector<int64_t> owners;   // [size] who made each example, or empty: natural partitions
  std::vector<float> targets{};  // [size] for regression, otherwise empty
  int64_t vocabulary = 0;        // > 0: features are token ids, 0..vocabulary-1

  bool is_regression() const { return classes == 0; }
  int64_t outputs() const { return is_regression() ? 1 : classes; }  // of a model
  int64_t size() const {
    return static_cast<int64_t>(is_regression() ? targets.size() : labels.size());
  }
  int64_t example_size() const;  // product of shape
};

// Keeps the first `count` examples; more than there are is an InputError that names the set.
void keep_first(Dataset& set, int64_t count);

struct DataSplit {
  Dataset train;
  Dataset test;
};

}  // namespace starling
