#pragma once
// Images as they are stored: bytes, one label each. Readers and generators make these; `to_dataset`
// turns them into the normalised floats that models take.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "starling/data/dataset.h"

namespace starling {

// Means and standard deviations of pixel / 255: one value, or one a channel. These are public
// constants of a data set, never computed from the private examples at hand.
struct Normalization {
  std::vector<double> mean = {0.0};
  std::vector<double> standard_deviation = {1.0};
};

struct PixelSet {
  std::string name;
  std::vector<int64_t> shape;  // {channels, height, width}
  int64_t classes = 0;
  std::vector<uint8_t> pixels;  // [size, channels, height, width]
  std::vector<int64_t> labels;  // [size]
  std::vector<int64_t> owners;  // [size] or empty

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

// features = (pixel / 255 - mean) / standard_deviation in float, through a table of 256 values a
// channel. Errors: InputError where the constants do not match the channels, or a standard
// deviation is not positive and finite; Error where sizes disagree.
Dataset to_dataset(const PixelSet& set, const Normalization& normalization);

// Keeps the first `count` examples; more than there are is an InputError that names the set.
void keep_first(PixelSet& set, int64_t count);

}  // namespace starling
