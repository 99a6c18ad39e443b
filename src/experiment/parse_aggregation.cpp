#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

constexpr int64_t kMostMalicious = 1'000'000;
constexpr int64_t kMostIterations = 10'000;
constexpr Interval kTrim{0.0, 0.5, false, true};

enum class Kind {
  mean,
  median,
  trimmed_mean,
  krum,
  multi_krum,
  bulyan,
  geometric_median,
  norm_bound,
  fltrust
};
const Words<Kind> kKinds = {{"mean", Kind::mean},
                            {"median", Kind::median},
                            {"trimmed_mean", Kind::trimmed_mean},
                            {"krum", Kind::krum},
                            {"multi_krum", Kind::multi_krum},
                            {"bulyan", Kind::bulyan},
                            {"geometric_median", Kind::geometric_median},
                            {"norm_bound", Kind::norm_bound},
                            {"fltrust", Kind::fltrust}};

int64_t malicious(JsonObject& object) {
  return object.integer("malicious_clients", 0, kMostMalicious, 1);
}

RobustSpec read_kind(JsonObject& object) {
  switch (object.choice("kind", kKinds, Kind::mean)) {
    case Kind::mean:
      return MeanAggregation{};
    case Kind::median:
      return MedianAggregation{};
    case Kind::trimmed_mean:
      return TrimmedMeanAggregation{.beta = object.number("beta", kTrim, 0.2)};
    case Kind::krum:
      return KrumAggregation{.malicious_clients = malicious(object)};
    case Kind::multi_krum:
      return MultiKrumAggregation{
          .malicious_clients = malicious(object),
          .clients_to_keep = object.integer("clients_to_keep", 1, kMostMalicious, 5)};
    case Kind::bulyan:
      return BulyanAggregation{.malicious_clients = malicious(object)};
    case Kind::geometric_median:
      return GeometricMedianAggregation{
          .iterations = object.integer("iterations", 1, kMostIterations, 10),
          .smoothing = object.number("smoothing", kPositive, 1e-6)};
    case Kind::norm_bound:
      return NormBoundAggregation{.bound = object.number("bound", kPositive, 1.0)};
    case Kind::fltrust:
      return FlTrustAggregation{.root_examples = object.integer("root_examples", 1, kMany, 100)};
  }
  return MeanAggregation{};
}

}  // namespace

RobustSpec parse_aggregation(JsonObject object) {
  RobustSpec aggregation = read_kind(object);
  object.finish();
  return aggregation;
}

}  // namespace starling::experiment
