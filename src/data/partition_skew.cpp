// The laws that skew labels or quantities: Dirichlet, labels per client, quantity.

#include <algorithm>
#include <cmath>

#include "partition_parts.h"
#include "starling/core/error.h"

namespace starling {
namespace {

using namespace partition;

// ln of a Gamma(shape, 1) variate: Marsaglia and Tsang 2000, with their boost for shapes below 1
// kept as a logarithm so that a tiny alpha does not underflow.
double log_gamma_variate(double shape, RandomStream& stream) {
  if (shape < 1.0) {
    return log_gamma_variate(shape + 1.0, stream) + std::log1p(-stream.uniform()) / shape;
  }
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double z = stream.normal();
    const double root = 1.0 + c * z;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    if (std::log1p(-stream.uniform()) < 0.5 * z * z + d - d * v + d * std::log(v)) {
      return std::log(d) + std::log(v);
    }
  }
}

Partition draw_dirichlet(const std::vector<std::vector<int64_t>>& classes, int64_t clients,
                         double alpha, RandomStream& stream) {
  Partition result;
  result.clients.resize(clients);
  for (std::vector<int64_t> members : classes) {
    stream.shuffle(members);
    const std::vector<double> shares = dirichlet(clients, alpha, stream);
    const double count = static_cast<double>(members.size());
    double before = 0.0;
    auto from = members.begin();
    for (int64_t k = 0; k < clients; ++k) {
      before += shares[k];
      const double end = k + 1 == clients ? count : std::min(count, std::floor(before * count));
      const auto to = members.begin() + static_cast<int64_t>(end);
      result.clients[k].insert(result.clients[k].end(), from, to);
      from = to;
    }
  }
  return finished(std::move(result));
}

int64_t smallest(const Partition& partition) {
  const std::vector<int64_t> sizes = partition.sizes();
  return *std::min_element(sizes.begin(), sizes.end());
}

std::vector<double> quantity_weights(int64_t clients, QuantityLaw law, RandomStream& stream) {
  std::vector<double> weights;
  for (int64_t i = 0; i < clients; ++i) {
    const double rank = static_cast<double>(i + 1);
    switch (law) {
      case QuantityLaw::linear:
        weights.push_back(rank);
        break;
      case QuantityLaw::square:
        weights.push_back(rank * rank);
        break;
      case QuantityLaw::exponential:
        weights.push_back(std::exp(clients == 1 ? 0.0 : 5.0 * (rank - 1) / (clients - 1)));
        break;
      case QuantityLaw::lognormal:
        weights.push_back(std::exp(stream.normal()));
        break;
    }
  }
  std::sort(weights.begin(), weights.end());
  return weights;
}

// Cumulative rounding; then clients left with nothing take one example each from the largest.
std::vector<int64_t> proportional_sizes(int64_t examples, const std::vector<double>& weights) {
  double total = 0.0;
  for (double weight : weights) total += weight;
  std::vector<int64_t> sizes;
  double before = 0.0;
  int64_t from = 0;
  for (double weight : weights) {
    before += weight;
    const int64_t to = std::llround(before / total * static_cast<double>(examples));
    sizes.push_back(to - from);
    from = to;
  }
  for (int64_t& size : sizes) {
    if (size > 0) continue;
    --*std::max_element(sizes.begin(), sizes.end());
    ++size;
  }
  return sizes;
}

// For each client, the labels that fewest clients hold so far; ties by chance.
std::vector<std::vector<int64_t>> deal_labels(int64_t labels, int64_t clients, int64_t each,
                                              RandomStream& stream) {
  std::vector<std::vector<int64_t>> holders(labels);
  for (int64_t k = 0; k < clients; ++k) {
    std::vector<int64_t> order = shuffled(labels, stream);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return holders[a].size() < holders[b].size(); });
    for (int64_t i = 0; i < each; ++i) holders[order[i]].push_back(k);
  }
  return holders;
}

}  // namespace

namespace partition {

std::vector<double> dirichlet(int64_t count, double alpha, RandomStream& stream) {
  std::vector<double> shares(count);
  for (double& share : shares) share = log_gamma_variate(alpha, stream);
  const double largest = *std::max_element(shares.begin(), shares.end());
  double sum = 0.0;
  for (double& share : shares) sum += share = std::exp(share - largest);
  for (double& share : shares) share /= sum;
  return shares;
}

void check_alpha(double alpha) {
  if (alpha > 0.0 && std::isfinite(alpha)) return;
  throw InputError("partition/alpha",
                   std::to_string(alpha) + " is not positive and finite; 0.1 to 10 is usual");
}

}  // namespace partition

Partition partition_dirichlet(std::span<const int64_t> labels, int64_t clients, double alpha,
                              int64_t min_size, RandomStream& stream) {
  const auto examples = static_cast<int64_t>(labels.size());
  check_clients(clients, examples);
  check_alpha(alpha);
  if (min_size < 1 || min_size > examples / clients) {
    throw InputError("partition/min_size", std::to_string(min_size) + " is outside 1.." +
                                               std::to_string(examples / clients) +
                                               ", the examples there are for each client");
  }
  const auto classes = group_by_value(labels);
  for (int attempt = 0; attempt < kDirichletAttempts; ++attempt) {
    Partition result = draw_dirichlet(classes, clients, alpha, stream);
    if (smallest(result) >= min_size) return result;
  }
  throw InputError("partition/min_size",
                   "no draw of " + std::to_string(kDirichletAttempts) + " gave each of " +
                       std::to_string(clients) + " clients " + std::to_string(min_size) + " of " +
                       std::to_string(examples) +
                       " examples; lower min_size, raise alpha or take fewer clients");
}

Partition partition_labels(std::span<const int64_t> labels, int64_t clients,
                           int64_t labels_per_client, RandomStream& stream) {
  check_clients(clients, static_cast<int64_t>(labels.size()));
  auto classes = group_by_value(labels);
  const auto count = static_cast<int64_t>(classes.size());
  if (labels_per_client < 1 || labels_per_client > count) {
    throw InputError("partition/labels_per_client", std::to_string(labels_per_client) +
                                                        " is outside 1.." + std::to_string(count) +
                                                        ", the labels that occur");
  }
  Partition result;
  result.clients.resize(clients);
  const auto holders = deal_labels(count, clients, labels_per_client, stream);
  for (int64_t label = 0; label < count; ++label) {
    const auto members = static_cast<int64_t>(classes[label].size());
    const auto parts = static_cast<int64_t>(holders[label].size());
    if (members < parts) {
      throw InputError("partition/clients", std::to_string(parts) + " clients are to share the " +
                                                std::to_string(members) +
                                                " examples of one label; take fewer clients");
    }
    stream.shuffle(classes[label]);
    for (int64_t k = 0; k < parts; ++k) {
      auto& client = result.clients[holders[label][k]];
      client.insert(client.end(), classes[label].begin() + even_cut(members, parts, k),
                    classes[label].begin() + even_cut(members, parts, k + 1));
    }
  }
  return finished(std::move(result));
}

Partition partition_quantity(int64_t examples, int64_t clients, QuantityLaw law,
                             RandomStream& stream) {
  check_clients(clients, examples);
  const std::vector<double> weights = quantity_weights(clients, law, stream);
  const std::vector<int64_t> order = shuffled(examples, stream);
  Partition result;
  auto at = order.begin();
  for (int64_t size : proportional_sizes(examples, weights)) {
    result.clients.emplace_back(at, at + size);
    at += size;
  }
  return finished(std::move(result));
}

}  // namespace starling
