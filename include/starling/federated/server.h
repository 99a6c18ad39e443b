#pragma once
// The server holds the global model, checks what clients send, and averages it. An update with a
// wrong name, shape or dtype, or with a value that is not finite, is left out whole, counted and
// logged; the rest of the round goes on.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "starling/federated/client.h"
#include "starling/federated/strategy.h"
#include "starling/nn/state.h"

namespace starling {

struct Aggregation {
  int64_t used = 0;
  int64_t rejected = 0;
};

class Server {
 public:
  Server(StateDict initial, std::unique_ptr<Strategy> strategy);

  const StateDict& global() const { return global_; }
  // Updates in the order of their client ids, so that a round's sum has one order. With no usable
  // update the global model stays as it is.
  Aggregation aggregate(const std::vector<ClientUpdate>& updates);

 private:
  StateDict global_;
  std::unique_ptr<Strategy> strategy_;
};

}  // namespace starling
