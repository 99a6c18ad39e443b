#pragma once
// The server of federated averaging, which several strategies share.

#include "starling/federated/strategy.h"

namespace starling {

// global += learning_rate * mean.
class Averaging : public Strategy {
 public:
  void apply(std::span<double> global, const MeanUpload& mean) override {
    for (size_t i = 0; i < global.size(); ++i) global[i] += learning_rate_ * mean.values[i];
  }

 protected:
  Averaging(Weighting weights, double learning_rate)
      : Strategy(weights), learning_rate_(learning_rate) {}

 private:
  double learning_rate_;
};

}  // namespace starling
