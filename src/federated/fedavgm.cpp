#include "starling/federated/strategy.h"

namespace starling {
namespace {

class FedAvgM final : public Strategy {
 public:
  explicit FedAvgM(const FedAvgMSpec& spec) : Strategy(spec.weights), spec_(spec) {}

  std::string name() const override { return "fedavgm"; }
  void apply(std::span<double> global, const MeanUpload& mean) override {
    velocity_.resize(global.size(), 0.0);
    for (size_t i = 0; i < global.size(); ++i) {
      velocity_[i] = spec_.momentum * velocity_[i] + mean.values[i];
      global[i] += spec_.server_learning_rate * velocity_[i];
    }
  }
  ServerSlots slots() override { return {{"velocity", &velocity_}}; }

 private:
  FedAvgMSpec spec_;
  std::vector<double> velocity_;
};

}  // namespace

std::unique_ptr<Strategy> fedavgm(const FedAvgMSpec& spec) {
  return std::make_unique<FedAvgM>(spec);
}

}  // namespace starling
