#pragma once
// Runs the clients of a round on a pool of workers, each with one replica of the model and one
// thread of intra-op work. Updates are summed in the order of client ids whatever the number of
// workers, so that a round's result is the same on any of them.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "starling/federated/client.h"
#include "starling/federated/server.h"
#include "starling/nn/model.h"

namespace starling {

struct RoundOutcome {
  Aggregation aggregation;
  LocalMetrics metrics;  // private under DP
};

class Simulation {
 public:
  // `workers` >= 1 replicas are made at once; `threads_per_client` is the intra-op work of each.
  Simulation(const ModelFactory& factory, std::vector<Client> clients, int64_t workers,
             int64_t threads_per_client);
  ~Simulation();

  const std::vector<Client>& clients() const { return clients_; }

  // `task(client)` says what each of `participants` (client ids) does. Errors: the first client's
  // error, after all workers stopped.
  RoundOutcome round(Server& server, const std::vector<int64_t>& participants,
                     const std::function<ClientTask(int64_t client)>& task);

  // Of the state on `data`, in slices of `batch_size` over all workers.
  Evaluation evaluate(const StateDict& state, const Examples& data, int64_t batch_size);

 private:
  void on_workers(int64_t jobs, const std::function<void(Model&, int64_t job)>& work);

  std::vector<Client> clients_;
  std::vector<std::shared_ptr<Model>> replicas_;
  int64_t threads_per_client_;
};

}  // namespace starling
