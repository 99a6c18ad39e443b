#include "starling/federated/server.h"

#include "starling/core/error.h"
#include "starling/core/log.h"

namespace starling {

Server::Server(StateDict initial, std::unique_ptr<Strategy> strategy)
    : global_(std::move(initial)), strategy_(std::move(strategy)) {
  if (!all_finite(global_))
    throw Error("the initial model is not finite in " + first_non_finite(global_));
}

Aggregation Server::aggregate(const std::vector<ClientUpdate>& updates) {
  StateMean mean(global_);
  Aggregation result;
  for (const auto& update : updates) {
    try {
      mean.add(update.state, strategy_->weight(update), "client " + std::to_string(update.client));
      ++result.used;
    } catch (const Error& problem) {
      log::warning("update left out: " + std::string(problem.what()));
      ++result.rejected;
    }
  }
  if (mean.total_weight() > 0) global_ = strategy_->apply(global_, mean.mean());
  return result;
}

}  // namespace starling
