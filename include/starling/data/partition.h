#pragma once
// How the examples of a data set are shared out among clients. A partition is decided by labels or
// owners, a law and a stream of Purpose::partition: the same three give the same partition.
//
// In every partition each example belongs to at most one client, no client is empty, and each
// client's indices ascend. All laws but `partition_labels` use every example exactly once.
// Errors: InputError, naming the field, where a law cannot be met by the data.

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "starling/core/random.h"
#include "starling/data/dataset.h"

namespace starling {

struct Partition {
  std::vector<std::vector<int64_t>> clients;  // indices into the data set, one list a client

  std::vector<int64_t> sizes() const;
  int64_t examples() const;  // sum of sizes
};

// A uniformly random split into parts whose sizes differ by at most one.
Partition partition_iid(int64_t examples, int64_t clients, RandomStream& stream);

// Label skew: the share of each class that goes to each client is drawn from a symmetric
// Dirichlet(alpha) over clients (Yurochkin et al. 2019, arXiv 1905.12022; Li et al. 2022, arXiv
// 2102.02079). Small alpha: few classes a client; alpha to infinity: iid. Drawn anew, at most
// kDirichletAttempts times, until every client has min_size examples.
inline constexpr int kDirichletAttempts = 1000;
Partition partition_dirichlet(std::span<const int64_t> labels, int64_t clients, double alpha,
                              int64_t min_size, RandomStream& stream);

// Label skew within clients of equal size: each client draws its own shares of the classes from a
// symmetric Dirichlet(alpha) over classes, then its examples one by one by these shares, from
// classes that are not used up (Acar et al. 2021, arXiv 2111.04263, appendix). Clients take their
// examples in random turns; the sizes differ by at most one.
Partition partition_inner_dirichlet(std::span<const int64_t> labels, int64_t clients, double alpha,
                                    RandomStream& stream);

// McMahan et al. 2017 (arXiv 1602.05629): sort by label, cut into clients * shards_per_client equal
// shards, deal them at random. With 2 shards most clients see only two classes.
Partition partition_shards(std::span<const int64_t> labels, int64_t clients,
                           int64_t shards_per_client, RandomStream& stream);

// Each client holds exactly `labels_per_client` of the labels that occur; labels are dealt so that
// their numbers of holders differ by at most one, and a label's examples are shared evenly among
// its holders. Labels are left out where clients * labels_per_client is below their number.
Partition partition_labels(std::span<const int64_t> labels, int64_t clients,
                           int64_t labels_per_client, RandomStream& stream);

// Quantity skew: examples are iid and sizes follow a law. With i = 0.. for the smallest client, the
// weight is i + 1 (linear), (i + 1)^2 (square), exp(5 i / (clients - 1)) (exponential: the largest
// is 148 times the smallest) or exp(z), z standard normal (lognormal). Sizes are rounded to sum to
// all examples; one that would be zero is one.
enum class QuantityLaw { linear, square, exponential, lognormal };
Partition partition_quantity(int64_t examples, int64_t clients, QuantityLaw law,
                             RandomStream& stream);

// One client an owner, in ascending order of owner ids.
Partition partition_natural(std::span<const int64_t> owners);

// The same as values: what an experiment's "partition" says.
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
struct InnerDirichletPartition {
  int64_t clients = 10;
  double alpha = 0.5;  // > 0; small is skewed
  bool operator==(const InnerDirichletPartition&) const = default;
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
struct QuantityPartition {
  int64_t clients = 10;
  QuantityLaw law = QuantityLaw::linear;
  bool operator==(const QuantityPartition&) const = default;
};
struct NaturalPartition {
  std::string by = "writer";  // or, of a table, the column that says where a record lies
  bool operator==(const NaturalPartition&) const = default;
};
using PartitionSpec =
    std::variant<IidPartition, DirichletPartition, InnerDirichletPartition, ShardsPartition,
                 LabelsPartition, QuantityPartition, NaturalPartition>;

// Kinds that go by labels refuse regression.
Partition make_partition(const PartitionSpec& spec, const Dataset& dataset, RandomStream& stream);

}  // namespace starling
