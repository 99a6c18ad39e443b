#pragma once
// Clients whose features differ though their labels may not: each client's examples are changed by
// a law of its own, after the partition and before training. Decided by the law, the partition and
// a stream of Purpose::feature_shift; the test set stays as it is.

#include <cstdint>
#include <string>
#include <variant>

#include "starling/core/random.h"
#include "starling/data/dataset.h"
#include "starling/data/partition.h"

namespace starling {

struct NoShift {
  bool operator==(const NoShift&) const = default;
};
// Client k = 0..K-1 sees images turned by degrees * k / (K - 1) about their centre, against the
// clock: bilinear between pixels, and beyond the edge the nearest pixel. Shapes {channels, height,
// width} only.
struct RotationShift {
  double degrees = 45.0;  // of the last client, [-360, 360]
  bool operator==(const RotationShift&) const = default;
};
// Client k = 1..K sees features with independent normal noise of variance sigma * k / K (Li et al.
// 2022, arXiv 2102.02079, "noise-based feature imbalance"), after normalisation.
struct NoiseShift {
  double sigma = 0.1;  // > 0
  bool operator==(const NoiseShift&) const = default;
};
using FeatureShift = std::variant<NoShift, RotationShift, NoiseShift>;

// "rotation": the word of the experiment file.
std::string to_string(const FeatureShift& shift);

// Changes the features of each client's examples in place. Errors: InputError
// "feature_shift/kind: ..." where examples are no images and are to be turned.
void shift_features(const FeatureShift& shift, const Partition& partition, const RandomKey& key,
                    Dataset& data);

}  // namespace starling
