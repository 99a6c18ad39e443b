#include <cmath>

#include "federated/averaging.h"

namespace starling {
namespace {

class FedBuff final : public Averaging {
 public:
  explicit FedBuff(const FedBuffSpec& spec) : Averaging(spec.weights, spec.server_learning_rate) {}
  std::string name() const override { return "fedbuff"; }
  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    const double weight = staleness_weight(result.staleness);
    for (size_t i = 0; i < result.update.size(); ++i) upload[i] = weight * result.update[i];
  }
};

}  // namespace

double staleness_weight(int64_t staleness) {
  return 1.0 / std::sqrt(1.0 + static_cast<double>(staleness));
}

std::unique_ptr<Strategy> fedbuff(const FedBuffSpec& spec) {
  return std::make_unique<FedBuff>(spec);
}

}  // namespace starling
