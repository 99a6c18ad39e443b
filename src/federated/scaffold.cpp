#include <algorithm>

#include "starling/federated/strategy.h"

namespace starling {
namespace {

// The client's memory is its control variate c_i, the server's slot the mean one, c; both begin at
// zero.
class Scaffold final : public Strategy {
 public:
  explicit Scaffold(const ScaffoldSpec& spec)
      : Strategy(spec.weights), learning_rate_(spec.server_learning_rate) {}

  std::string name() const override { return "scaffold"; }

  LocalCorrection correction(const ClientMemory& memory) const override {
    LocalCorrection result;
    result.offset.resize(std::max(control_.size(), memory.size()), 0.0);
    for (size_t i = 0; i < control_.size(); ++i) result.offset[i] += control_[i];
    for (size_t i = 0; i < memory.size(); ++i) result.offset[i] -= memory[i];
    return result;
  }

  int64_t download_size(int64_t size) const override { return 2 * size; }
  int64_t upload_size(int64_t size) const override { return 2 * size; }

  void upload(const LocalResult& result, ClientMemory& memory,
              std::span<double> upload) const override {
    const size_t size = result.update.size();
    const double distance = result.learning_rate * effective_steps(result.steps, result.momentum);
    memory.resize(size, 0.0);
    for (size_t i = 0; i < size; ++i) {
      const double change = distance > 0.0 ? -control(i) - result.update[i] / distance : 0.0;
      upload[i] = result.update[i];
      upload[size + i] = change;
      memory[i] += change;
    }
  }

  void apply(std::span<double> global, const MeanUpload& mean) override {
    control_.resize(global.size(), 0.0);
    for (size_t i = 0; i < global.size(); ++i) {
      global[i] += learning_rate_ * mean.values[i];
      control_[i] += mean.share() * mean.values[global.size() + i];
    }
  }
  ServerSlots slots() override { return {{"control", &control_}}; }

 private:
  double control(size_t i) const { return control_.empty() ? 0.0 : control_[i]; }

  double learning_rate_;
  std::vector<double> control_;
};

}  // namespace

std::unique_ptr<Strategy> scaffold(const ScaffoldSpec& spec) {
  return std::make_unique<Scaffold>(spec);
}

}  // namespace starling
