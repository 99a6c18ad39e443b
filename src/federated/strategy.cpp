#include "starling/federated/strategy.h"

namespace starling {
namespace {

struct Maker {
  std::unique_ptr<Strategy> operator()(const FedAvgSpec& spec) const { return fedavg(spec); }
};

}  // namespace

std::unique_ptr<Strategy> make_strategy(const StrategySpec& spec) {
  return std::visit(Maker{}, spec);
}

}  // namespace starling
