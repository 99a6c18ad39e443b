#pragma once
// What FedAdagrad, FedAdam and FedYogi share; they differ in the second moment alone.

#include <algorithm>
#include <cmath>

#include "starling/federated/strategy.h"

namespace starling {

class AdaptiveServer : public Strategy {
 public:
  void apply(std::span<double> global, const MeanUpload& mean) override {
    momentum_.resize(global.size(), 0.0);
    second_moment_.resize(global.size(), tau_ * tau_);
    for (size_t i = 0; i < global.size(); ++i) {
      const double update = mean.values[i];
      momentum_[i] = beta_1_ * momentum_[i] + (1.0 - beta_1_) * update;
      double& v = second_moment_[i];
      v = next_second_moment(v, update * update - mean.noise_variance);
      global[i] += learning_rate_ * momentum_[i] / (std::sqrt(std::max(v, 0.0)) + tau_);
    }
  }
  ServerSlots slots() override {
    return {{"momentum", &momentum_}, {"second_moment", &second_moment_}};
  }

 protected:
  AdaptiveServer(Weighting weights, double learning_rate, double beta_1, double tau)
      : Strategy(weights), learning_rate_(learning_rate), beta_1_(beta_1), tau_(tau) {}
  // `square` is the mean update's square, less the variance of the noise: it may be negative.
  virtual double next_second_moment(double v, double square) const = 0;

 private:
  double learning_rate_, beta_1_, tau_;
  std::vector<double> momentum_, second_moment_;
};

}  // namespace starling
