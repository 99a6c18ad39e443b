#pragma once
// One worker's share of a round: takes clients' updates, checks them, lets the strategy turn each
// into an upload, and sums. An update with a wrong name, shape or dtype, from a client or a round
// that is not expected, sent twice, with more examples than the client has, with a value that is
// not finite or outside the public range, is left out whole, counted and kept as a warning, and the
// client keeps the state that it had; the rest of the round goes on.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "starling/federated/attack.h"
#include "starling/federated/client.h"
#include "starling/federated/compression.h"
#include "starling/federated/server.h"

namespace starling {

// What a client keeps between rounds, by strategies and codecs.
struct ClientState {
  ClientMemory memory;           // the strategy's
  std::vector<double> personal;  // values of the parts that it keeps to itself, or of its own
                                 // model, [size]; empty before it first takes part
  std::vector<double> residual;  // what compression lost so far, with error feedback
};

// What stands between clients and the server of a simulation: who attacks, and the wire. Its draws
// come from the experiment's seed; no bound counts on them.
struct Channel {
  AttackSpec attack;
  std::vector<int64_t> attackers;  // ascending
  CommunicationSpec communication;
  RandomKey key;  // needed where either is used
};

// The model that a client starts from: the global one, with the parts that it keeps to itself.
StateDict start_of(const Server& server, const ClientState& state);

class Collector {
 public:
  // `server` must outlive it and stay unchanged.
  Collector(const Server& server, int64_t round, const Channel& channel = {});

  // From now on updates of these clients alone count; without it, of every client.
  void expect(std::span<const int64_t> clients);
  // `start` is the global model that the client began with. True if the update entered the sum.
  bool add(const ClientUpdate& update, ClientState& state, const StateDict& start);
  bool add(const ClientUpdate& update, ClientState& state) {
    return add(update, state, server_.global());
  }
  // The server's own update, for robust rules that compare the others to it.
  void trust(const ClientUpdate& update);
  // Of other clients of the same round. Errors: Error where both hold an update of one client.
  void merge(Collector&& other);
  // Every rank's round together; robust rules get every rank's uploads.
  void sum_over(Ranks& ranks);

  int64_t round() const { return round_; }
  int64_t rejected() const { return rejected_; }
  // Why each was left out, for the log; none under client-level privacy, where it is secret who
  // takes part.
  const std::vector<std::string>& warnings() const { return warnings_; }
  int64_t bytes_up() const { return bytes_up_; }
  UpdateSum& sum() { return sum_; }
  // For robust rules: every upload, in the order of client ids.
  std::vector<std::span<const double>> uploads() const;
  std::span<const double> trusted() const { return trusted_; }

 private:
  void check(const ClientUpdate& update) const;
  void check_device(const ClientUpdate& update) const;
  void read_model(const StateDict& trained, ClientState& state, const StateDict& start);
  void read_update(const ClientUpdate& update, ClientState& state, const StateDict& start);
  void send(const ClientUpdate& update, ClientState& state);

  const Server& server_;
  int64_t round_;
  Channel channel_;
  UpdateSum sum_;
  std::vector<double> update_;  // trained - global, 0 for parts that are kept
  std::vector<double> upload_;
  std::vector<bool> expected_, seen_;               // by client id
  std::map<int64_t, std::vector<double>> uploads_;  // by client id; robust rules only
  std::vector<double> trusted_;
  int64_t rejected_ = 0;
  std::vector<std::string> warnings_;
  int64_t bytes_up_ = 0;
};

}  // namespace starling
