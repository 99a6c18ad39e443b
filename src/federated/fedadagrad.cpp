#include "federated/fedopt.h"

namespace starling {
namespace {

class FedAdagrad final : public AdaptiveServer {
 public:
  explicit FedAdagrad(const FedAdagradSpec& spec)
      : AdaptiveServer(spec.weights, spec.server_learning_rate, spec.beta_1, spec.tau) {}
  std::string name() const override { return "fedadagrad"; }

 protected:
  double next_second_moment(double v, double square) const override { return v + square; }
};

}  // namespace

std::unique_ptr<Strategy> fedadagrad(const FedAdagradSpec& spec) {
  return std::make_unique<FedAdagrad>(spec);
}

}  // namespace starling
