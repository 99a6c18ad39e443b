#pragma once
// Which strategy a federation follows, as plain values; strategy.h builds it.

#include <string>
#include <variant>

namespace starling {

enum class Weighting {
  examples,  // a client's weight is its number of examples
  uniform,   // every client weighs the same
};

// Federated averaging (McMahan et al. 2017).
struct FedAvgSpec {
  Weighting weights = Weighting::examples;
  double server_learning_rate = 1.0;  // > 0
  bool operator==(const FedAvgSpec&) const = default;
};
using StrategySpec = std::variant<FedAvgSpec>;

// "fedavg": the word of the experiment file.
std::string to_string(const StrategySpec& spec);
Weighting weighting_of(const StrategySpec& spec);

}  // namespace starling
