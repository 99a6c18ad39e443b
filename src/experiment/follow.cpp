#include "experiment/follow.h"

#include "experiment/assemble.h"
#include "experiment/client_tasks.h"
#include "experiment/evaluate.h"
#include "experiment/history.h"
#include "experiment/round_order.h"
#include "experiment/run_key.h"
#include "experiment/run_state.h"
#include "experiment/spending.h"
#include "experiment/standardize.h"
#include "starling/federated/simulation.h"

namespace starling::experiment {
namespace {

constexpr const char* kKey = "key";

RandomKey key_of(const Experiment& experiment, const Checkpoint& start) {
  if (const auto key = repeatable_key(experiment)) return *key;
  return RandomKey::from_hex(start.section(kKey));
}

class Follower {
 public:
  Follower(const Experiment& experiment, Prepared& prepared, const Checkpoint& start, Ranks& ranks)
      : experiment_(experiment),
        federation_(std::move(prepared.federation)),
        ranks_(ranks),
        run_(start.run),
        config_(start.config),
        key_(key_of(experiment, start)),
        server_(make_server(experiment, federation_)),
        simulation_(make_simulation(experiment, standardized(federation_), prepared.workers)),
        history_(federation_.plan.async),
        tasks_(experiment, federation_, key_, history_) {
    simulation_.set_ranks(ranks);
    unpack_federation(start, server_, simulation_, history_);
  }

  RunResult carry_out() {
    for (;;) {
      const auto order = pass_on(ranks_, {}, server_.global());
      if (order.kind == RoundOrder::failed) throw AgreedError("rank 0 failed", false);
      if (order.kind == RoundOrder::end) {
        RunResult result;
        if (order.signal != 0) result.stopped_by = static_cast<int>(order.signal);
        return result;
      }
      history_.begin(order.round, server_.global());
      if (order.kind == RoundOrder::train) train(order);
      interrupted_on_any(ranks_);
      evaluate_round(experiment_, federation_, simulation_, server_, order.round);
    }
  }

 private:
  // Rank 0 has recorded the same lines before it said how the run begins.
  Federation& standardized(Federation& federation) const {
    std::map<int64_t, LedgerEntry> paid;
    if (federation.plan.standardization)
      for (const auto& client : federation.plan.clients)
        paid[client.client] = standardization_entry(federation.plan, client.client, run_, config_);
    standardize(federation, paid, key_);
    return federation;
  }
  // Rank 0 has recorded the same lines before it gave the order.
  void train(const RoundOrder& order) {
    std::map<int64_t, LedgerEntry> paid;
    if (example_level(experiment_.privacy) != nullptr)
      for (const int64_t client : order.clients)
        paid[client] = example_entry(federation_.plan, client, order.round, run_, config_);
    simulation_.round(
        server_, order.round, order.clients,
        [&](int64_t client) { return tasks_.of(client, order.round, paid); }, key_);
  }

  const Experiment& experiment_;
  Federation federation_;
  Ranks& ranks_;
  std::string run_;
  std::string config_;
  RandomKey key_;
  Server server_;
  Simulation simulation_;
  GlobalHistory history_;
  ClientTasks tasks_;
};

}  // namespace

Checkpoint start_message(Checkpoint state, const RandomKey& key) {
  if (key.secure()) state.sections[kKey] = key.to_hex();
  return state;
}

RunResult follow(const Experiment& experiment, Prepared prepared, Ranks& ranks) {
  together(ranks, [] {});  // rank 0 begins the run folder
  std::string bytes;
  ranks.broadcast(bytes);
  const auto follower = together(ranks, [&] {
    const auto start = parse_checkpoint(bytes, "rank 0's start");
    return std::make_unique<Follower>(experiment, prepared, start, ranks);
  });
  return follower->carry_out();
}

}  // namespace starling::experiment
