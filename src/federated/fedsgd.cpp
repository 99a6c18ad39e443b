#include "federated/averaging.h"

namespace starling {
namespace {

class FedSgd final : public Averaging {
 public:
  explicit FedSgd(const FedSgdSpec& spec)
      : Averaging(spec.weights, spec.server_learning_rate), noise_by_(spec.noise_by) {}
  std::string name() const override { return "fedsgd"; }
  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    // A sum of gradients comes without a learning rate.
    const double rate = noise_by_ == NoiseBy::server ? 1.0 : result.learning_rate;
    for (size_t i = 0; i < result.update.size(); ++i) upload[i] = result.update[i] / rate;
  }

 private:
  NoiseBy noise_by_;
};

}  // namespace

std::unique_ptr<Strategy> fedsgd(const FedSgdSpec& spec) { return std::make_unique<FedSgd>(spec); }

}  // namespace starling
