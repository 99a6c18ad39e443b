#include "federated/averaging.h"

namespace starling {
namespace {

class FedPer final : public Averaging {
 public:
  explicit FedPer(const FedPerSpec& spec)
      : Averaging(spec.weights, 1.0), personal_(spec.personal) {}
  std::string name() const override { return "fedper"; }
  bool keeps_local(const TensorPlace& place) const override {
    for (const auto& name : personal_)
      if (place.name == name || place.name.starts_with(name + ".")) return true;
    return false;
  }

 private:
  std::vector<std::string> personal_;
};

}  // namespace

std::unique_ptr<Strategy> fedper(const FedPerSpec& spec) { return std::make_unique<FedPer>(spec); }

}  // namespace starling
