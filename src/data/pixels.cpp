#include "starling/data/pixels.h"

#include <array>
#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

using Table = std::array<float, 256>;

Table table(double mean, double standard_deviation) {
  Table values;
  for (int pixel = 0; pixel < 256; ++pixel) {
    values[pixel] = static_cast<float>((pixel / 255.0 - mean) / standard_deviation);
  }
  return values;
}

double at_channel(const std::vector<double>& values, int64_t channel) {
  return values.size() == 1 ? values[0] : values[channel];
}

void check(const Normalization& normalization, const std::string& name, int64_t channels) {
  const auto check_count = [&](const char* what, size_t count) {
    if (count == 1 || static_cast<int64_t>(count) == channels) return;
    throw InputError(name, std::string(what) + " has " + std::to_string(count) +
                               " values; give one, or one for each of the " +
                               std::to_string(channels) + " channels");
  };
  check_count("mean", normalization.mean.size());
  check_count("std", normalization.standard_deviation.size());
  for (double value : normalization.standard_deviation) {
    if (!(value > 0.0) || !std::isfinite(value)) {
      throw InputError(name, "std " + std::to_string(value) + " is not positive and finite");
    }
  }
  for (double value : normalization.mean) {
    if (!std::isfinite(value)) throw InputError(name, "mean is not finite");
  }
}

void check_limit(const std::string& name, int64_t size, int64_t count) {
  if (count >= 1 && count <= size) return;
  throw InputError(name, "a limit of " + std::to_string(count) + " is outside 1.." +
                             std::to_string(size) + ", the examples there are");
}

}  // namespace

int64_t Dataset::example_size() const {
  int64_t product = 1;
  for (int64_t extent : shape) product *= extent;
  return product;
}

void keep_first(Dataset& set, int64_t count) {
  check_limit(set.name, set.size(), count);
  set.features.resize(static_cast<size_t>(set.example_size() * count));
  if (set.is_regression()) {
    set.targets.resize(static_cast<size_t>(count));
  } else {
    set.labels.resize(static_cast<size_t>(count));
  }
  if (!set.owners.empty()) set.owners.resize(static_cast<size_t>(count));
}

Dataset to_dataset(const PixelSet& set, const Normalization& normalization) {
  if (set.shape.size() != 3) throw Error(set.name + ": an image set has channels, height, width");
  const int64_t channels = set.shape[0];
  const int64_t plane = set.shape[1] * set.shape[2];
  check(normalization, set.name, channels);
  if (static_cast<int64_t>(set.pixels.size()) != set.size() * channels * plane) {
    throw Error(set.name + ": " + std::to_string(set.pixels.size()) + " pixels for " +
                std::to_string(set.size()) + " labels");
  }
  Dataset result{set.name, set.shape, set.classes, {}, set.labels, set.owners, {}};
  result.features.resize(set.pixels.size());
  std::vector<Table> tables;
  for (int64_t c = 0; c < channels; ++c) {
    tables.push_back(
        table(at_channel(normalization.mean, c), at_channel(normalization.standard_deviation, c)));
  }
  size_t at = 0;
  for (int64_t image = 0; image < set.size(); ++image) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < plane; ++i, ++at) result.features[at] = tables[c][set.pixels[at]];
    }
  }
  return result;
}

void keep_first(PixelSet& set, int64_t count) {
  check_limit(set.name, set.size(), count);
  const size_t example = set.pixels.size() / set.labels.size();
  set.pixels.resize(example * count);
  set.labels.resize(count);
  if (!set.owners.empty()) set.owners.resize(count);
}

}  // namespace starling
