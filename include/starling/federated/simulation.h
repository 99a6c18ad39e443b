#pragma once
// Runs the clients of a round on a pool of workers, each with one replica of the model, one thread
// of intra-op work and one integer-grid sum: memory does not grow with the clients of a round, and
// the result is the same bytes for any number of workers, of ranks and any order of clients.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "starling/federated/client.h"
#include "starling/federated/collector.h"
#include "starling/federated/ranks.h"
#include "starling/federated/server.h"
#include "starling/nn/model.h"

namespace starling {

struct RoundOutcome {
  int64_t used = 0;      // uploads in the sum: private under client-level DP
  int64_t rejected = 0;  // left out by a check
  int64_t failed = 0;    // clients whose training threw
  int64_t bytes_up = 0;
  int64_t bytes_down = 0;
  LocalMetrics metrics;  // private under DP
};

class Simulation {
 public:
  // `workers` >= 1 replicas are made at once; `threads_per_client` is the intra-op work of each.
  Simulation(const ModelFactory& factory, std::vector<Client> clients, int64_t workers,
             int64_t threads_per_client);
  ~Simulation();

  const std::vector<Client>& clients() const { return clients_; }
  // The next `clients` clients, from 0 on at the first call, take models of this kind, which begin
  // as `initial`: for strategies that keep whole models at clients, or have a global model for each
  // kind (in the same order). Errors: Error where fewer are left.
  void add_devices(const ModelFactory& factory, const StateDict& initial, int64_t clients);
  // Who attacks, and the wire; neither by default.
  void set_channel(Channel channel) { channel_ = std::move(channel); }
  // Shares out the clients of each round among `ranks`, which must outlive it. round() is then
  // collective, with equal arguments on every rank.
  void set_ranks(Ranks& ranks) { ranks_ = &ranks; }
  // The server's own examples, for robust rules that compare uploads to its own update.
  void set_root(Examples root) { root_.emplace(-1, std::move(root)); }
  // [n, ...]: the examples without labels that strategies distil on.
  void set_public(torch::Tensor features) { public_ = std::move(features); }
  // By client id; strategies keep what they need from round to round here, on every rank alike.
  std::vector<ClientState>& states() { return states_; }

  // `task(client)` says what each of `participants` (client ids) does; it may be called from
  // several threads. A client that fails is counted and left out; Error where all of several
  // fail, or the only one, with the first one's message; AgreedError on several ranks. `key` gives
  // the server's noise.
  RoundOutcome round(Server& server, int64_t round, const std::vector<int64_t>& participants,
                     const std::function<ClientTask(int64_t client)>& task, const RandomKey& key);

  // By class of devices: its global model; none where the strategy has no such models.
  std::vector<StateDict> device_models(const Server& server) const;

  // By client id: of the model that each client would use, its personal one where the strategy has
  // such, on its own examples. Collective.
  std::vector<Evaluation> evaluate_clients(const Server& server, int64_t batch_size);
  // Of each of device_models on `data`. Collective.
  std::vector<Evaluation> evaluate_devices(const Server& server, const Examples& data,
                                           int64_t batch_size);
  // Of the state on `data`, in slices of `batch_size` over all workers of all ranks. Collective.
  Evaluation evaluate(const StateDict& state, const Examples& data, int64_t batch_size);

 private:
  // Clients that share an architecture which is not the server's.
  struct Device {
    std::vector<std::shared_ptr<Model>> replicas;
    StateDict initial;
    FlatLayout layout;

    StateDict with(std::span<const double> values) const;  // none: the initial ones
  };
  std::optional<size_t> device_of(int64_t client) const;  // absent: the server's architecture
  StateDict device_start(const Server& server, size_t device, const ClientState& state) const;
  ClientUpdate train_on_device(size_t device, size_t worker, const Client& client,
                               const Server& server, const ClientTask& task) const;
  struct Share;
  void train(Share& share, const Server& server,
             const std::function<ClientTask(int64_t client)>& task);
  Evaluation evaluate_own(const Server& server, int64_t client, int64_t batch_size);
  // One evaluation a slice, of every `step`-th slice from `first` on; the others are empty.
  std::vector<Evaluation> slices_of(const StateDict& state, const Examples& data,
                                    int64_t batch_size, int64_t first, int64_t step);
  ClientUpdate train_client(Model& model, const Client& client, const Server& server,
                            const StateDict& start, const ClientTask& task) const;
  void distil_global(Server& server, int64_t round, const RandomKey& key);
  int64_t bytes_down(const Server& server, const std::vector<int64_t>& participants) const;
  void on_workers(int64_t jobs,
                  const std::function<void(Model&, size_t worker, int64_t job)>& work);

  std::vector<Client> clients_;
  std::vector<ClientState> states_;
  Channel channel_;
  Ranks* ranks_ = &one_rank();
  std::optional<Client> root_;
  torch::Tensor public_;
  std::vector<Device> devices_;
  std::vector<size_t> client_devices_;  // by client, as far as devices go
  std::vector<std::shared_ptr<Model>> replicas_;
  int64_t threads_per_client_;
};

}  // namespace starling
