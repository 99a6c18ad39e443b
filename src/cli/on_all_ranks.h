#pragma once
#include <functional>

#include "starling/federated/ranks.h"

namespace starling::cli {

// Calls work(ranks) on every rank that this process was started with, and returns its exit code.
// Rank 0 alone speaks; the others keep what they log to themselves. An error on one rank ends all.
int on_all_ranks(const std::function<int(Ranks&)>& work);

}  // namespace starling::cli
