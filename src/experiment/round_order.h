#pragma once
// What rank 0 tells the others before each round. It is also the barrier that makes them wait until
// the round's lines of the ledger are on the disk.

#include <cstdint>
#include <optional>
#include <vector>

#include "starling/federated/ranks.h"
#include "starling/nn/state.h"

namespace starling::experiment {

struct RoundOrder {
  enum Kind : int64_t {
    train,
    leave_out,  // too few clients: nobody trains
    end,        // of the run, as planned or stopped by `signal`
    failed,     // rank 0 did
  };
  Kind kind = train;
  int64_t round = 0;
  std::vector<int64_t> clients = {};  // train: those whose uploads count
  int64_t signal = 0;                 // 0 for none
};

// Rank 0's order on every rank. Errors: Error on a rank whose global model is not rank 0's.
RoundOrder pass_on(Ranks& ranks, const RoundOrder& order, const StateDict& global);

// The signal that asked some rank to stop, SIGTERM before SIGINT. Collective.
std::optional<int> interrupted_on_any(Ranks& ranks);

}  // namespace starling::experiment
