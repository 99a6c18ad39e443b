#pragma once
// Which strategy the server follows, as plain values free of LibTorch; strategy.h builds it.

#include <variant>

namespace starling {

enum class Weighting {
  examples,  // a client's weight is its number of examples
  uniform,   // every client weighs the same
};

// Federated averaging (McMahan et al. 2017).
struct FedAvgSpec {
  Weighting weights = Weighting::examples;
  bool operator==(const FedAvgSpec&) const = default;
};
using StrategySpec = std::variant<FedAvgSpec>;

}  // namespace starling
