#pragma once
// Aggregation that a few malicious clients cannot steer: rules that take the place of the mean over
// a round's uploads. All are unweighted, deterministic, and computed in double precision in the
// order of client ids. Free of LibTorch: an update is a flat vector.
//
// None of them has the sensitivity C / n of a mean, so that under client-level privacy they are
// refused (compatibility.h); over uploads that clients have noised themselves they are
// post-processing.

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace starling {

// The strategy's own weighted mean: no robust rule.
struct MeanAggregation {
  bool operator==(const MeanAggregation&) const = default;
};

// Coordinate-wise median (Yin et al. 2018, arXiv 1803.01498); of an even number, the mean of the
// two in the middle.
struct MedianAggregation {
  bool operator==(const MedianAggregation&) const = default;
};

// Coordinate-wise mean without the floor(beta n) smallest and as many largest (Yin et al. 2018).
struct TrimmedMeanAggregation {
  double beta = 0.2;  // [0, 0.5)
  bool operator==(const TrimmedMeanAggregation&) const = default;
};

// The update with the least sum of squared distances to its n - f - 2 nearest others, f the
// malicious clients that it withstands (Blanchard et al. 2017, arXiv 1703.02757). n >= 2 f + 3.
struct KrumAggregation {
  int64_t malicious_clients = 1;  // >= 0
  bool operator==(const KrumAggregation&) const = default;
};

// The mean of the `clients_to_keep` updates with the least Krum scores, at most n - f - 2.
struct MultiKrumAggregation {
  int64_t malicious_clients = 1;  // >= 0
  int64_t clients_to_keep = 5;    // >= 1
  bool operator==(const MultiKrumAggregation&) const = default;
};

// Bulyan over Krum (El Mhamdi et al. 2018, arXiv 1802.07927): Krum chooses n - 2 f updates one by
// one, each time among those left (of m left, over the max(1, m - f - 2) nearest others); then each
// coordinate is the mean of the n - 4 f chosen values nearest their median. n >= 4 f + 3.
struct BulyanAggregation {
  int64_t malicious_clients = 1;  // >= 0
  bool operator==(const BulyanAggregation&) const = default;
};

// Geometric median by smoothed Weiszfeld steps from the mean (RFA, Pillutla et al. 2022, arXiv
// 1912.13445): weights 1 / max(smoothing, distance).
struct GeometricMedianAggregation {
  int64_t iterations = 10;  // >= 1
  double smoothing = 1e-6;  // > 0
  bool operator==(const GeometricMedianAggregation&) const = default;
};

// The mean of updates scaled down to an L2 norm of at most `bound` (Sun et al. 2019, arXiv
// 1911.07963).
struct NormBoundAggregation {
  double bound = 1.0;  // > 0
  bool operator==(const NormBoundAggregation&) const = default;
};

// FLTrust (Cao et al. 2021, arXiv 2012.13995): the server trains on root examples of its own; each
// update is scaled to the norm of the server's and weighted by max(0, cosine to it). Where nobody
// is trusted the mean is zero.
struct FlTrustAggregation {
  int64_t root_examples = 100;  // >= 1: taken from the training set before it is dealt out
  bool operator==(const FlTrustAggregation&) const = default;
};

using RobustSpec =
    std::variant<MeanAggregation, MedianAggregation, TrimmedMeanAggregation, KrumAggregation,
                 MultiKrumAggregation, BulyanAggregation, GeometricMedianAggregation,
                 NormBoundAggregation, FlTrustAggregation>;

// "median": the word of the experiment file.
std::string to_string(const RobustSpec& spec);

// The smallest number of updates that the rule is defined for; at least 1.
int64_t minimum_updates(const RobustSpec& spec);

// The aggregate of `updates`, all [size]; `trusted`, [size], is the server's own update, for
// fltrust only. Errors: Error where there are fewer than minimum_updates, sizes differ, or fltrust
// has no trusted update; the round must then be left out.
std::vector<double> aggregate(const RobustSpec& spec,
                              std::span<const std::span<const double>> updates,
                              std::span<const double> trusted = {});

}  // namespace starling
