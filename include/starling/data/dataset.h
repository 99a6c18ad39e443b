#pragma once
// A labelled data set in memory, free of LibTorch: flat features and one label an example.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace starling {

struct Dataset {
  std::string name;
  std::vector<int64_t> shape;  // of one example, e.g. {1, 28, 28} (channels, height, width)
  int64_t classes = 0;
  std::vector<float> features;  // [size, shape...], normalised
  std::vector<int64_t> labels;  // [size], 0..classes-1
  std::vector<int64_t> owners;  // [size] who made each example, or empty: natural partitions

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
  int64_t example_size() const;  // product of shape
};

// Keeps the first `count` examples; more than there are is an InputError that names the set.
void keep_first(Dataset& set, int64_t count);

struct DataSplit {
  Dataset train;
  Dataset test;
};

}  // namespace starling
