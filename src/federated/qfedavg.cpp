#include <cmath>

#include "starling/core/error.h"
#include "starling/federated/strategy.h"

namespace starling {
namespace {

constexpr double kSmallestLoss = 1e-10;
// h / L is uploaded in units of 1024, so that it stays as small as the rest.
constexpr double kUnit = 1024.0;

// Uploads F^q d, then h / L.
class QFedAvg final : public Strategy {
 public:
  explicit QFedAvg(const QFedAvgSpec& spec) : Strategy(spec.weights), q_(spec.q) {}

  std::string name() const override { return "qfedavg"; }
  bool wants_initial_loss() const override { return true; }
  int64_t upload_size(int64_t size) const override { return size + 1; }

  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    if (!(result.initial_loss >= 0.0))
      throw Error("qfedavg: a loss of " + std::to_string(result.initial_loss) +
                  " is not 0 or more; the strategy raises losses to the power q");
    const double loss = result.initial_loss + kSmallestLoss;
    const double weight = std::pow(loss, q_);
    double square = 0.0;
    for (size_t i = 0; i < result.update.size(); ++i) {
      square += result.update[i] * result.update[i];
      upload[i] = weight * result.update[i];
    }
    upload[result.update.size()] =
        (q_ * std::pow(loss, q_ - 1.0) * square / result.learning_rate + weight) / kUnit;
  }

  void apply(std::span<double> global, const MeanUpload& mean) override {
    const double total = kUnit * mean.values[global.size()];
    if (!(total > 0.0)) return;
    for (size_t i = 0; i < global.size(); ++i) global[i] += mean.values[i] / total;
  }

 private:
  double q_;
};

}  // namespace

std::unique_ptr<Strategy> qfedavg(const QFedAvgSpec& spec) {
  return std::make_unique<QFedAvg>(spec);
}

}  // namespace starling
