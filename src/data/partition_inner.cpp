// Dirichlet shares within each client.

#include <numeric>

#include "partition_parts.h"

namespace starling {
namespace {

using namespace partition;

// Draws a class by the client's shares among those with examples left; where all of these shares
// vanish, by the numbers left.
class ClassDraw {
 public:
  explicit ClassDraw(std::vector<std::vector<int64_t>> classes) : classes_(std::move(classes)) {}

  int64_t take(const std::vector<double>& shares, RandomStream& stream) {
    auto& members = classes_[chosen(shares, stream)];
    const int64_t index = members.back();
    members.pop_back();
    return index;
  }

 private:
  double weight(const std::vector<double>& shares, size_t label) const {
    return classes_[label].empty() ? 0.0 : shares[label];
  }

  std::vector<double> weights(const std::vector<double>& shares) const {
    std::vector<double> result(classes_.size());
    double sum = 0.0;
    for (size_t c = 0; c < result.size(); ++c) sum += result[c] = weight(shares, c);
    if (sum > 0.0) return result;
    for (size_t c = 0; c < result.size(); ++c) result[c] = static_cast<double>(classes_[c].size());
    return result;
  }

  size_t chosen(const std::vector<double>& shares, RandomStream& stream) const {
    const std::vector<double> all = weights(shares);
    double left = stream.uniform() * std::accumulate(all.begin(), all.end(), 0.0);
    size_t last = 0;
    for (size_t c = 0; c < all.size(); ++c) {
      if (all[c] <= 0.0) continue;
      last = c;
      if (left < all[c]) return c;
      left -= all[c];
    }
    return last;
  }

  std::vector<std::vector<int64_t>> classes_;
};

}  // namespace

Partition partition_inner_dirichlet(std::span<const int64_t> labels, int64_t clients, double alpha,
                                    RandomStream& stream) {
  const auto examples = static_cast<int64_t>(labels.size());
  check_clients(clients, examples);
  check_alpha(alpha);
  auto classes = group_by_value(labels);
  for (auto& members : classes) stream.shuffle(members);
  std::vector<std::vector<double>> shares;
  for (int64_t k = 0; k < clients; ++k)
    shares.push_back(dirichlet(static_cast<int64_t>(classes.size()), alpha, stream));
  ClassDraw draw(std::move(classes));
  Partition result;
  result.clients.resize(static_cast<size_t>(clients));
  for (const int64_t turn : shuffled(examples, stream)) {
    const auto client = static_cast<size_t>(turn % clients);
    result.clients[client].push_back(draw.take(shares[client], stream));
  }
  return finished(std::move(result));
}

}  // namespace starling
