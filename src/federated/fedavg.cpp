#include "starling/federated/strategy.h"

namespace starling {
namespace {

class FedAvg final : public Strategy {
 public:
  explicit FedAvg(const FedAvgSpec& spec)
      : Strategy(spec.weights), learning_rate_(spec.server_learning_rate) {}

  std::string name() const override { return "fedavg"; }
  void apply(std::span<double> global, const MeanUpload& mean) override {
    for (size_t i = 0; i < global.size(); ++i) global[i] += learning_rate_ * mean.values[i];
  }

 private:
  double learning_rate_;
};

}  // namespace

std::unique_ptr<Strategy> fedavg(const FedAvgSpec& spec) { return std::make_unique<FedAvg>(spec); }

}  // namespace starling
