#include "federated/averaging.h"

namespace starling {
namespace {

class FedAvg final : public Averaging {
 public:
  explicit FedAvg(const FedAvgSpec& spec) : Averaging(spec.weights, spec.server_learning_rate) {}
  std::string name() const override { return "fedavg"; }
};

}  // namespace

std::unique_ptr<Strategy> fedavg(const FedAvgSpec& spec) { return std::make_unique<FedAvg>(spec); }

}  // namespace starling
