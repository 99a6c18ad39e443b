#include "experiment/history.h"

#include <algorithm>

#include "starling/core/error.h"

namespace starling::experiment {

GlobalHistory::GlobalHistory(const std::vector<AsyncRound>& schedule) {
  for (size_t r = 0; r < schedule.size(); ++r)
    for (const auto& job : schedule[r].jobs) {
      int64_t& last = last_use_[job.start];
      last = std::max(last, static_cast<int64_t>(r));
    }
}

void GlobalHistory::begin(int64_t round, const StateDict& global) {
  std::erase_if(kept_, [&](const auto& entry) { return last_use_.at(entry.first) < round; });
  if (last_use_.contains(round)) kept_[round] = std::make_shared<const StateDict>(global);
}

std::shared_ptr<const StateDict> GlobalHistory::at(int64_t round) const {
  const auto found = kept_.find(round);
  if (found == kept_.end())
    throw Error("the global model that round " + std::to_string(round + 1) +
                " began with is not kept");
  return found->second;
}

StateDict GlobalHistory::pack() const {
  StateDict packed;
  for (const auto& [round, state] : kept_)
    for (const auto& tensor : state->tensors)
      packed.tensors.push_back(
          {std::to_string(round) + "/" + tensor.name, tensor.value, tensor.buffer});
  return packed;
}

void GlobalHistory::unpack(const StateDict& packed) {
  std::map<int64_t, StateDict> states;
  for (const auto& [name, value, buffer] : packed.tensors) {
    const auto slash = name.find('/');
    if (slash == std::string::npos)
      throw InputError("checkpoint: history", "\"" + name + "\" names no round");
    states[std::stoll(name.substr(0, slash))].tensors.push_back(
        {name.substr(slash + 1), value, buffer});
  }
  kept_.clear();
  for (auto& [round, state] : states)
    kept_[round] = std::make_shared<const StateDict>(std::move(state));
}

}  // namespace starling::experiment
