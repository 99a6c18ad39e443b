#include "starling/federated/strategy.h"

namespace starling {
namespace {

class FedAvg final : public Strategy {
 public:
  explicit FedAvg(Weighting weights) : weights_(weights) {}

  std::string name() const override { return "fedavg"; }
  double weight(const ClientUpdate& update) const override {
    return weights_ == Weighting::uniform ? 1.0 : static_cast<double>(update.examples);
  }
  StateDict apply(const StateDict&, const StateDict& mean) override { return mean; }

 private:
  Weighting weights_;
};

}  // namespace

std::unique_ptr<Strategy> fedavg(const FedAvgSpec& spec) {
  return std::make_unique<FedAvg>(spec.weights);
}

}  // namespace starling
