#pragma once
// Who trains when under FedBuff (Nguyen et al. 2022): `concurrency` clients are at work at any
// time; when one reports, another begins with the present global model, and every `buffer_size`
// reports make the next one. Times come from the world's simulated clock, so that the schedule is
// known before training and says nothing about anybody's data.

#include <cstdint>
#include <vector>

#include "starling/core/random.h"
#include "starling/federated/strategy_spec.h"
#include "starling/federated/world.h"

namespace starling {

struct AsyncJob {
  int64_t client = 0;
  int64_t start = 0;    // the round whose global model it began with
  bool counted = true;  // false: older than max_staleness when it reported; charged all the same
};

// What the global model that round `r` ends with is made of.
struct AsyncRound {
  std::vector<AsyncJob> jobs;  // each client at most once
  double time = 0.0;           // simulated, when the buffer was full
};

// [rounds]. Errors: Error where buffer_size passes the number of clients (a buffer holds one upload
// a client), or where too many come too late to fill it.
std::vector<AsyncRound> draw_async_schedule(const FedBuffSpec& spec, const World& world,
                                            int64_t clients, int64_t rounds, const RandomKey& key);

}  // namespace starling
