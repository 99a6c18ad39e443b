#pragma once
// Three clients with quadratic losses f_i(w) = sum_j h_ij (w_j - b_ij)^2 / 2 + 0.1, small enough to
// follow by hand, and a driver that carries out a strategy on them.

#include <memory>
#include <vector>

#include "starling/federated/strategy.h"

namespace starling::test {

using Vector = std::vector<double>;

struct Quadratic {
  Vector curvature, optimum;
  int64_t examples = 1;
  int64_t steps = 1;

  Vector gradient(const Vector& w) const {
    Vector g(w.size());
    for (size_t j = 0; j < w.size(); ++j) g[j] = curvature[j] * (w[j] - optimum[j]);
    return g;
  }
  double loss(const Vector& w) const {
    double sum = 0.1;
    for (size_t j = 0; j < w.size(); ++j)
      sum += 0.5 * curvature[j] * (w[j] - optimum[j]) * (w[j] - optimum[j]);
    return sum;
  }
};

inline std::vector<Quadratic> three_clients() {
  return {{{1.0, 2.0}, {1.0, -1.0}, 30, 3},
          {{0.5, 1.5}, {-2.0, 0.5}, 10, 5},
          {{2.0, 0.25}, {0.25, 3.0}, 20, 2}};
}

inline const std::vector<std::vector<size_t>>& cohorts() {
  static const std::vector<std::vector<size_t>> kCohorts = {{0, 1}, {1, 2}, {0, 1, 2}, {0}, {2, 0}};
  return kCohorts;
}

inline const Vector kStart = {0.3, -0.7};
inline constexpr double kRate = 0.1;

struct Driver {
  std::unique_ptr<Strategy> strategy;
  std::vector<Quadratic> clients = three_clients();
  double momentum = 0.0;
  double noise_variance = 0.0;
  int64_t staleness = 0;
  Vector global = kStart;
  std::vector<ClientMemory> memories = std::vector<ClientMemory>(3);

  Vector train(const Quadratic& client, const LocalCorrection& correction) const {
    Vector w = global, velocity(w.size(), 0.0);
    for (int64_t k = 0; k < client.steps; ++k) {
      Vector g = client.gradient(w);
      for (size_t j = 0; j < w.size(); ++j) {
        g[j] += correction.proximal * (w[j] - global[j]);
        if (!correction.offset.empty()) g[j] += correction.offset[j];
        velocity[j] = momentum * velocity[j] + g[j];
        w[j] -= kRate * velocity[j];
      }
    }
    return w;
  }

  Vector upload_of(size_t id) {
    const Vector trained = train(clients[id], strategy->correction(memories[id]));
    Vector update(global.size());
    for (size_t j = 0; j < update.size(); ++j) update[j] = trained[j] - global[j];
    LocalResult result{.update = update,
                       .steps = clients[id].steps,
                       .examples = clients[id].examples,
                       .learning_rate = kRate,
                       .momentum = momentum,
                       .staleness = staleness,
                       .initial_loss = -1.0};
    if (strategy->wants_initial_loss()) result.initial_loss = clients[id].loss(global);
    Vector upload(static_cast<size_t>(strategy->upload_size(2)));
    strategy->upload(result, memories[id], upload);
    return upload;
  }

  void round(const std::vector<size_t>& cohort) {
    Vector mean(static_cast<size_t>(strategy->upload_size(2)), 0.0);
    double total = 0.0;
    for (const size_t id : cohort) {
      const auto weight = static_cast<double>(strategy->weight(clients[id].examples));
      const Vector upload = upload_of(id);
      for (size_t i = 0; i < mean.size(); ++i) mean[i] += weight * upload[i];
      total += weight;
    }
    for (double& value : mean) value /= total;
    strategy->apply(global, {.values = mean,
                             .clients = static_cast<int64_t>(cohort.size()),
                             .population = 3,
                             .participation = 0.5,
                             .noise_variance = noise_variance});
  }

  Vector run() {
    for (const auto& cohort : cohorts()) round(cohort);
    return global;
  }
};

inline Driver drive(const StrategySpec& spec) { return Driver{.strategy = make_strategy(spec)}; }
inline Vector outcome(const StrategySpec& spec) { return drive(spec).run(); }

}  // namespace starling::test
