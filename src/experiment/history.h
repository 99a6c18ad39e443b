#pragma once
// The global models that asynchronous clients began with, for as long as one of them is at work.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "starling/federated/async_schedule.h"
#include "starling/nn/state.h"

namespace starling::experiment {

class GlobalHistory {
 public:
  explicit GlobalHistory(const std::vector<AsyncRound>& schedule);

  // Keeps the model that round `round` begins with, if it is needed later; forgets those that no
  // round from `round` on needs.
  void begin(int64_t round, const StateDict& global);
  // Errors: Error where that model is not kept.
  std::shared_ptr<const StateDict> at(int64_t round) const;

  // For checkpoints: one state of all kept models, names prefixed by their round.
  StateDict pack() const;
  void unpack(const StateDict& packed);

 private:
  std::map<int64_t, int64_t> last_use_;  // by round that it begins
  std::map<int64_t, std::shared_ptr<const StateDict>> kept_;
};

}  // namespace starling::experiment
