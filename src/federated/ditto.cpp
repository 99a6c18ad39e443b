#include "federated/averaging.h"

namespace starling {
namespace {

class Ditto final : public Averaging {
 public:
  explicit Ditto(const DittoSpec& spec) : Averaging(spec.weights, 1.0), lambda_(spec.lambda) {}
  std::string name() const override { return "ditto"; }
  std::optional<double> personal_proximal() const override { return lambda_; }

 private:
  double lambda_;
};

}  // namespace

std::unique_ptr<Strategy> ditto(const DittoSpec& spec) { return std::make_unique<Ditto>(spec); }

}  // namespace starling
