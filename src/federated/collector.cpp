#include "starling/federated/collector.h"

#include "starling/core/error.h"
#include "starling/core/log.h"

namespace starling {

Collector::Collector(const Server& server, int64_t round)
    : server_(server),
      round_(round),
      sum_(server.rule()),
      update_(static_cast<size_t>(server.layout().size())),
      upload_(static_cast<size_t>(server.rule().size)),
      seen_(static_cast<size_t>(server.options().population), false) {}

void Collector::check(const ClientUpdate& update) const {
  if (update.round != round_)
    throw Error("it is of round " + std::to_string(update.round) + ", and this is round " +
                std::to_string(round_));
  if (update.client < 0 || update.client >= server_.options().population)
    throw Error("no client of this federation has this number");
  if (seen_[static_cast<size_t>(update.client)])
    throw Error("this round holds one of this client already");
  if (update.examples < 1)
    throw Error("it claims " + std::to_string(update.examples) + " examples");
  check_same_layout(server_.global(), update.state, "the update");
}

void Collector::encode(const ClientUpdate& update, ClientState& state) {
  server_.layout().read_difference(update.state, server_.global(), update_);
  LocalResult result;
  result.update = update_;
  result.steps = update.metrics.steps;
  result.examples = update.examples;
  result.learning_rate = update.learning_rate;
  result.momentum = update.momentum;
  result.initial_loss = update.initial_loss;
  server_.strategy().upload(result, state.memory, upload_);
}

bool Collector::add(const ClientUpdate& update, ClientState& state) {
  try {
    check(update);
    encode(update, state);
    sum_.add(upload_, server_.weight_of(update.examples));
    seen_[static_cast<size_t>(update.client)] = true;
    return true;
  } catch (const Error& problem) {
    // Who takes part is secret under client-level privacy.
    if (!server_.options().privacy)
      log::warning("update of client " + std::to_string(update.client) +
                   " left out: " + problem.what());
    ++rejected_;
    return false;
  }
}

void Collector::merge(const Collector& other) {
  sum_.merge(other.sum_);
  rejected_ += other.rejected_;
}

}  // namespace starling
