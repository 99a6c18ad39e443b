#pragma once
// What a federation will do, decided before it trains: who takes part in which round, how many
// steps each client takes, how much noise it needs, and what that will have cost at the end.
// `starling check` prints it; `run` carries it out and does nothing else.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "starling/experiment/experiment.h"
#include "starling/federated/async_schedule.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/column_sums.h"
#include "starling/privacy/event_json.h"
#include "starling/privacy/plan.h"
#include "starling/privacy/round_plan.h"
#include "starling/privacy/sum_plan.h"

namespace starling {

struct ClientPlan {
  int64_t client = 0;
  int64_t examples = 0;
  int64_t steps = 0;                 // local steps a round
  int64_t rounds = 0;                // in the schedule; all where cohorts are secret
  std::optional<DpSgdPlan> privacy;  // at example level; its noise is calibrated to `rounds`
  std::optional<Event> first;        // released once, before the first round
  double epsilon = 0.0;              // after all of them; 0 for a client that releases nothing
};

// What client-level privacy will have cost.
struct ServerPlan {
  RoundPlan round;
  double delta = 0.0;
  double epsilon = 0.0;  // after all rounds
};

struct FederationPlan {
  int64_t rounds = 0;  // fewer than the experiment's where all clients reach max_participations
  // [rounds] client ids, ascending. Drawn from the seed alone, never from data; empty where cohorts
  // are secret because client-level privacy counts on their sampling.
  std::vector<std::vector<int64_t>> schedule;
  std::vector<AsyncRound> async;     // [rounds] under strategy fedbuff, otherwise empty
  std::optional<ServerPlan> server;  // at client level
  std::optional<SumPlan> sums;       // at example level, where the server adds the noise
  // What every client releases before the first round, where columns are standardised privately.
  std::optional<ColumnSumsPlan> standardization;
  std::vector<ClientPlan> clients;
  bool insecure_seed = false;          // noise is repeatable: NO DP GUARANTEE
  double delta = 0.0;                  // at example level; 0 without privacy
  double epsilon = 0.0;                // the largest client's, since their data is disjoint
  std::optional<std::string> warning;  // delta is not below 1 / n for some client's n examples, or
                                       // for the number of clients

  bool has_secret_cohorts() const { return server && schedule.empty(); }
};

// `sizes`: examples of each client. `takes_missing`: of the columns that are standardised
// privately. `source` opens error messages.
// Errors: InputError where a plan is impossible, e.g. a target that no noise reaches.
FederationPlan plan_federation(const Experiment& experiment, const std::vector<int64_t>& sizes,
                               const std::string& source,
                               const std::vector<bool>& takes_missing = {});

// How many of the invited clients a round waits for.
int64_t wanted_clients(const Experiment& experiment, int64_t invited);

// False where relation add_remove protects how many examples a client has, or where whole clients
// are protected: no number of training examples may then be shown.
bool sizes_are_public(const Experiment& experiment);

// What the server's first `rounds` releases spend.
Composition spent_by_server(const RoundPlan& plan, int64_t rounds);

// What a client has spent after `rounds` rounds of its plan, and before them.
Composition spent_after(const ClientPlan& plan, int64_t rounds);

// The federation's epsilon round by round, each distinct (plan, rounds) accounted for once.
class SpentPrivacy {
 public:
  SpentPrivacy(const FederationPlan& plan, const Accountant& accountant);

  // Epsilon of one client after `rounds` rounds; infinity where nothing bounds it.
  double epsilon_after(int64_t client, int64_t rounds);
  void take_part(int64_t client) { ++rounds_.at(client); }
  int64_t rounds_of(int64_t client) const { return rounds_.at(client); }
  double largest();  // over all clients, now

 private:
  const FederationPlan& plan_;
  const Accountant& accountant_;
  std::vector<int64_t> rounds_;
  std::map<std::string, double> known_;  // by composition
};

}  // namespace starling
