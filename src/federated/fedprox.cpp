#include "federated/averaging.h"

namespace starling {
namespace {

class FedProx final : public Averaging {
 public:
  explicit FedProx(const FedProxSpec& spec) : Averaging(spec.weights, 1.0), mu_(spec.mu) {}
  std::string name() const override { return "fedprox"; }
  LocalCorrection correction(const ClientMemory&) const override { return {.proximal = mu_}; }

 private:
  double mu_;
};

}  // namespace

std::unique_ptr<Strategy> fedprox(const FedProxSpec& spec) {
  return std::make_unique<FedProx>(spec);
}

}  // namespace starling
