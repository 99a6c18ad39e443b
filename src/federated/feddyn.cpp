#include "starling/federated/strategy.h"

namespace starling {
namespace {

// The client's memory is l_i, its gradient at its last model; the server's slot is h.
class FedDyn final : public Strategy {
 public:
  explicit FedDyn(const FedDynSpec& spec) : Strategy(spec.weights), alpha_(spec.alpha) {}

  std::string name() const override { return "feddyn"; }

  LocalCorrection correction(const ClientMemory& memory) const override {
    LocalCorrection result{.proximal = alpha_, .offset = memory};
    for (double& value : result.offset) value = -value;
    return result;
  }

  void upload(const LocalResult& result, ClientMemory& memory,
              std::span<double> upload) const override {
    Strategy::upload(result, memory, upload);
    memory.resize(result.update.size(), 0.0);
    for (size_t i = 0; i < memory.size(); ++i) memory[i] -= alpha_ * result.update[i];
  }

  void apply(std::span<double> global, const MeanUpload& mean) override {
    drift_.resize(global.size(), 0.0);
    for (size_t i = 0; i < global.size(); ++i) {
      drift_[i] -= alpha_ * mean.share() * mean.values[i];
      global[i] += mean.values[i] - drift_[i] / alpha_;
    }
  }
  ServerSlots slots() override { return {{"drift", &drift_}}; }

 private:
  double alpha_;
  std::vector<double> drift_;
};

}  // namespace

std::unique_ptr<Strategy> feddyn(const FedDynSpec& spec) { return std::make_unique<FedDyn>(spec); }

}  // namespace starling
