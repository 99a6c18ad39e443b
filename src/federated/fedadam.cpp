#include "federated/fedopt.h"

namespace starling {
namespace {

class FedAdam final : public AdaptiveServer {
 public:
  explicit FedAdam(const FedAdamSpec& spec)
      : AdaptiveServer(spec.weights, spec.server_learning_rate, spec.beta_1, spec.tau),
        beta_2_(spec.beta_2) {}
  std::string name() const override { return "fedadam"; }

 protected:
  double next_second_moment(double v, double square) const override {
    return beta_2_ * v + (1.0 - beta_2_) * square;
  }

 private:
  double beta_2_;
};

}  // namespace

std::unique_ptr<Strategy> fedadam(const FedAdamSpec& spec) {
  return std::make_unique<FedAdam>(spec);
}

}  // namespace starling
