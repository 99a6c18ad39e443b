#include "starling/federated/strategy.h"

namespace starling {
namespace {

// Steps are uploaded in units of 1024, so that they stay as small as the rest.
constexpr double kStepUnit = 1024.0;

// Uploads the update over its effective steps, then the effective steps.
class FedNova final : public Strategy {
 public:
  explicit FedNova(const FedNovaSpec& spec)
      : Strategy(spec.weights), learning_rate_(spec.server_learning_rate) {}

  std::string name() const override { return "fednova"; }
  int64_t upload_size(int64_t size) const override { return size + 1; }

  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    const double steps = effective_steps(result.steps, result.momentum);
    for (size_t i = 0; i < result.update.size(); ++i)
      upload[i] = steps > 0.0 ? result.update[i] / steps : 0.0;
    upload[result.update.size()] = steps / kStepUnit;
  }

  void apply(std::span<double> global, const MeanUpload& mean) override {
    const double factor = learning_rate_ * kStepUnit * mean.values[global.size()];
    for (size_t i = 0; i < global.size(); ++i) global[i] += factor * mean.values[i];
  }

 private:
  double learning_rate_;
};

}  // namespace

std::unique_ptr<Strategy> fednova(const FedNovaSpec& spec) {
  return std::make_unique<FedNova>(spec);
}

}  // namespace starling
