#include "experiment/round_order.h"

#include <array>
#include <csignal>
#include <cstring>
#include <string>

#include "starling/core/error.h"
#include "starling/core/interrupt.h"

namespace starling::experiment {
namespace {

// Tells models apart that came to differ by accident: FNV-1a over their bytes, a word at a time.
int64_t digest_of(const StateDict& state) {
  uint64_t digest = 0xcbf29ce484222325;
  for (const auto& tensor : state.tensors) {
    const auto* bytes = static_cast<const char*>(tensor.value.const_data_ptr());
    for (size_t at = 0; at < tensor.value.nbytes(); at += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes + at, std::min(sizeof word, tensor.value.nbytes() - at));
      digest = (digest ^ word) * 0x100000001b3;
    }
  }
  return static_cast<int64_t>(digest);
}

}  // namespace

RoundOrder pass_on(Ranks& ranks, const RoundOrder& order, const StateDict& global) {
  if (ranks.size() == 1) return order;
  const int64_t digest = digest_of(global);
  std::vector<int64_t> words = {order.kind, order.round, order.signal, digest};
  words.insert(words.end(), order.clients.begin(), order.clients.end());
  std::string bytes(reinterpret_cast<const char*>(words.data()), words.size() * sizeof(int64_t));
  ranks.broadcast(bytes);
  words.resize(bytes.size() / sizeof(int64_t));
  std::memcpy(words.data(), bytes.data(), bytes.size());
  if (words[3] != digest)
    throw Error(
        "the global model of this rank is not that of rank 0: their machines compute "
        "differently");
  RoundOrder passed{static_cast<RoundOrder::Kind>(words[0]), words[1], {}, words[2]};
  passed.clients.assign(words.begin() + 4, words.end());
  return passed;
}

std::optional<int> interrupted_on_any(Ranks& ranks) {
  const auto own = interrupted();
  std::array<int64_t, 2> asked{own == SIGTERM ? 1 : 0, own == SIGINT ? 1 : 0};
  ranks.sum(asked);
  if (asked[0] > 0) return SIGTERM;
  if (asked[1] > 0) return SIGINT;
  return std::nullopt;
}

}  // namespace starling::experiment
