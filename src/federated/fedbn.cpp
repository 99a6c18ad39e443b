#include "federated/averaging.h"

namespace starling {
namespace {

class FedBn final : public Averaging {
 public:
  explicit FedBn(const FedBnSpec& spec) : Averaging(spec.weights, 1.0) {}
  std::string name() const override { return "fedbn"; }
  bool keeps_local(const TensorPlace& place) const override {
    for (const char* kind : {"BatchNorm", "GroupNorm", "LayerNorm", "InstanceNorm"})
      if (place.layer.starts_with(kind)) return true;
    return false;
  }
};

}  // namespace

std::unique_ptr<Strategy> fedbn(const FedBnSpec& spec) { return std::make_unique<FedBn>(spec); }

}  // namespace starling
