#include "starling/data/partition.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "partition_parts.h"
#include "starling/core/error.h"

namespace starling {
namespace partition {

void check_clients(int64_t clients, int64_t examples) {
  if (clients >= 1 && clients <= examples) return;
  throw InputError("partition/clients", std::to_string(clients) + " is outside 1.." +
                                            std::to_string(examples) +
                                            ", the number of examples to share out");
}

std::vector<int64_t> shuffled(int64_t count, RandomStream& stream) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), int64_t{0});
  stream.shuffle(order);
  return order;
}

std::vector<std::vector<int64_t>> group_by_value(std::span<const int64_t> values) {
  std::map<int64_t, std::vector<int64_t>> groups;
  for (size_t i = 0; i < values.size(); ++i) groups[values[i]].push_back(static_cast<int64_t>(i));
  std::vector<std::vector<int64_t>> result;
  for (auto& [value, indices] : groups) result.push_back(std::move(indices));
  return result;
}

Partition finished(Partition partition) {
  for (auto& client : partition.clients) std::sort(client.begin(), client.end());
  return partition;
}

}  // namespace partition

namespace {

using namespace partition;

Partition cut(const std::vector<int64_t>& order, const std::vector<int64_t>& sizes) {
  Partition result;
  auto at = order.begin();
  for (int64_t size : sizes) {
    result.clients.emplace_back(at, at + size);
    at += size;
  }
  return finished(std::move(result));
}

}  // namespace

std::vector<int64_t> Partition::sizes() const {
  std::vector<int64_t> result;
  for (const auto& client : clients) result.push_back(static_cast<int64_t>(client.size()));
  return result;
}

int64_t Partition::examples() const {
  const std::vector<int64_t> all = sizes();
  return std::accumulate(all.begin(), all.end(), int64_t{0});
}

Partition partition_iid(int64_t examples, int64_t clients, RandomStream& stream) {
  check_clients(clients, examples);
  std::vector<int64_t> sizes;
  for (int64_t k = 0; k < clients; ++k) {
    sizes.push_back(even_cut(examples, clients, k + 1) - even_cut(examples, clients, k));
  }
  return cut(shuffled(examples, stream), sizes);
}

Partition partition_shards(std::span<const int64_t> labels, int64_t clients,
                           int64_t shards_per_client, RandomStream& stream) {
  const auto examples = static_cast<int64_t>(labels.size());
  check_clients(clients, examples);
  if (shards_per_client < 1 || shards_per_client > examples / clients) {
    throw InputError("partition/shards_per_client", std::to_string(shards_per_client) +
                                                        " is outside 1.." +
                                                        std::to_string(examples / clients) +
                                                        ", the examples there are for each client");
  }
  std::vector<int64_t> order(examples);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return labels[a] < labels[b]; });
  const int64_t shards = clients * shards_per_client;
  const std::vector<int64_t> dealt = shuffled(shards, stream);
  Partition result;
  result.clients.resize(clients);
  for (int64_t k = 0; k < shards; ++k) {
    auto& client = result.clients[k / shards_per_client];
    client.insert(client.end(), order.begin() + even_cut(examples, shards, dealt[k]),
                  order.begin() + even_cut(examples, shards, dealt[k] + 1));
  }
  return finished(std::move(result));
}

Partition partition_natural(std::span<const int64_t> owners) {
  if (owners.empty()) {
    throw InputError("partition/kind",
                     "natural needs a data set that records where each example comes from "
                     "(digits, phrases, mnist with its writer ids, or a column of a table); "
                     "choose another kind");
  }
  return Partition{group_by_value(owners)};
}

namespace {

Partition make(const IidPartition& spec, const Dataset& data, RandomStream& stream) {
  return partition_iid(data.size(), spec.clients, stream);
}
Partition make(const DirichletPartition& spec, const Dataset& data, RandomStream& stream) {
  return partition_dirichlet(data.labels, spec.clients, spec.alpha, spec.min_size, stream);
}
Partition make(const InnerDirichletPartition& spec, const Dataset& data, RandomStream& stream) {
  return partition_inner_dirichlet(data.labels, spec.clients, spec.alpha, stream);
}
Partition make(const ShardsPartition& spec, const Dataset& data, RandomStream& stream) {
  return partition_shards(data.labels, spec.clients, spec.shards_per_client, stream);
}
Partition make(const LabelsPartition& spec, const Dataset& data, RandomStream& stream) {
  return partition_labels(data.labels, spec.clients, spec.labels_per_client, stream);
}
Partition make(const QuantityPartition& spec, const Dataset& data, RandomStream& stream) {
  return partition_quantity(data.size(), spec.clients, spec.law, stream);
}
Partition make(const NaturalPartition&, const Dataset& data, RandomStream&) {
  return partition_natural(data.owners);
}

}  // namespace

Partition make_partition(const PartitionSpec& spec, const Dataset& dataset, RandomStream& stream) {
  const bool by_class = std::holds_alternative<DirichletPartition>(spec) ||
                        std::holds_alternative<InnerDirichletPartition>(spec) ||
                        std::holds_alternative<ShardsPartition>(spec) ||
                        std::holds_alternative<LabelsPartition>(spec);
  if (by_class && dataset.is_regression()) {
    throw InputError("partition/kind",
                     "deals out by classes, and the data set has numbers to predict; choose iid "
                     "or quantity");
  }
  return std::visit([&](const auto& kind) { return make(kind, dataset, stream); }, spec);
}

}  // namespace starling
