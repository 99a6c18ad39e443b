#pragma once
// One worker's share of a round: takes clients' updates, checks them, lets the strategy turn each
// into an upload, and sums. An update with a wrong name, shape or dtype, from a client or a round
// that is not expected, sent twice, with a value that is not finite or outside the public range, is
// left out whole, counted and logged; the rest of the round goes on.

#include <cstdint>
#include <vector>

#include "starling/federated/client.h"
#include "starling/federated/server.h"

namespace starling {

// What a client keeps between rounds, by strategies and codecs.
struct ClientState {
  ClientMemory memory;           // the strategy's
  std::vector<double> personal;  // values of the tensors that it keeps to itself, [size] or empty
};

class Collector {
 public:
  // `server` must outlive it and stay unchanged.
  Collector(const Server& server, int64_t round);

  // True if the update entered the sum.
  bool add(const ClientUpdate& update, ClientState& state);
  void merge(const Collector& other);

  int64_t rejected() const { return rejected_; }
  UpdateSum& sum() { return sum_; }

 private:
  void check(const ClientUpdate& update) const;
  void encode(const ClientUpdate& update, ClientState& state);

  const Server& server_;
  int64_t round_;
  UpdateSum sum_;
  std::vector<double> update_;  // trained - global
  std::vector<double> upload_;
  std::vector<bool> seen_;  // by client id
  int64_t rejected_ = 0;
};

}  // namespace starling
