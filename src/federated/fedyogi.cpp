#include "federated/fedopt.h"

namespace starling {
namespace {

class FedYogi final : public AdaptiveServer {
 public:
  explicit FedYogi(const FedYogiSpec& spec)
      : AdaptiveServer(spec.weights, spec.server_learning_rate, spec.beta_1, spec.tau),
        beta_2_(spec.beta_2) {}
  std::string name() const override { return "fedyogi"; }

 protected:
  double next_second_moment(double v, double square) const override {
    const double sign = v > square ? 1.0 : v < square ? -1.0 : 0.0;
    return v - (1.0 - beta_2_) * square * sign;
  }

 private:
  double beta_2_;
};

}  // namespace

std::unique_ptr<Strategy> fedyogi(const FedYogiSpec& spec) {
  return std::make_unique<FedYogi>(spec);
}

}  // namespace starling
