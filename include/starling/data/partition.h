#pragma once
// How the training examples are dealt out to clients.

#include <cstdint>
#include <string>
#include <variant>

namespace starling {

struct IidPartition {
  int64_t clients = 10;
  bool operator==(const IidPartition&) const = default;
};
struct DirichletPartition {
  int64_t clients = 10;
  double alpha = 0.5;     // > 0; small is skewed
  int64_t min_size = 10;  // examples that every client has at least
  bool operator==(const DirichletPartition&) const = default;
};
struct ShardsPartition {
  int64_t clients = 10;
  int64_t shards_per_client = 2;
  bool operator==(const ShardsPartition&) const = default;
};
struct LabelsPartition {
  int64_t clients = 10;
  int64_t labels_per_client = 2;
  bool operator==(const LabelsPartition&) const = default;
};
enum class QuantityLaw { linear, square, exponential, lognormal };
struct QuantityPartition {
  int64_t clients = 10;
  QuantityLaw law = QuantityLaw::linear;
  bool operator==(const QuantityPartition&) const = default;
};
struct NaturalPartition {
  std::string by = "writer";
  bool operator==(const NaturalPartition&) const = default;
};

using PartitionSpec = std::variant<IidPartition, DirichletPartition, ShardsPartition,
                                   LabelsPartition, QuantityPartition, NaturalPartition>;

}  // namespace starling
