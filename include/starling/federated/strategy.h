#pragma once
// How the server turns the clients' models into the next global model. A strategy is one .cpp file
// and one row of the catalogue.

#include <memory>
#include <string>

#include "starling/federated/client.h"
#include "starling/federated/strategy_spec.h"
#include "starling/nn/state.h"

namespace starling {

class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual std::string name() const = 0;
  // The weight of one update in the mean, before normalisation.
  virtual double weight(const ClientUpdate& update) const = 0;
  // The next global model from the present one and the weighted mean of this round's models.
  virtual StateDict apply(const StateDict& global, const StateDict& mean) = 0;
};

// The mean is the next global model (McMahan et al. 2017).
std::unique_ptr<Strategy> fedavg(const FedAvgSpec& spec);

std::unique_ptr<Strategy> make_strategy(const StrategySpec& spec);

}  // namespace starling
