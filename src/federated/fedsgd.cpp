#include "federated/averaging.h"

namespace starling {
namespace {

class FedSgd final : public Averaging {
 public:
  explicit FedSgd(const FedSgdSpec& spec) : Averaging(spec.weights, spec.server_learning_rate) {}
  std::string name() const override { return "fedsgd"; }
  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    for (size_t i = 0; i < result.update.size(); ++i)
      upload[i] = result.update[i] / result.learning_rate;
  }
};

}  // namespace

std::unique_ptr<Strategy> fedsgd(const FedSgdSpec& spec) { return std::make_unique<FedSgd>(spec); }

}  // namespace starling
