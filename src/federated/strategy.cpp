#include "starling/federated/strategy.h"

#include <algorithm>

namespace starling {
namespace {

struct Maker {
  std::unique_ptr<Strategy> operator()(const FedAvgSpec& spec) const { return fedavg(spec); }
};

struct Namer {
  std::string operator()(const FedAvgSpec&) const { return "fedavg"; }
};

}  // namespace

LocalCorrection Strategy::correction(const ClientMemory&) const { return {}; }

void Strategy::upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const {
  std::ranges::copy(result.update, upload.begin());
}

int64_t Strategy::weight(int64_t examples) const {
  return weights_ == Weighting::uniform ? 1 : examples;
}

std::unique_ptr<Strategy> make_strategy(const StrategySpec& spec) {
  return std::visit(Maker{}, spec);
}

std::string to_string(const StrategySpec& spec) { return std::visit(Namer{}, spec); }

Weighting weighting_of(const StrategySpec& spec) {
  return std::visit([](const auto& kind) { return kind.weights; }, spec);
}

}  // namespace starling
