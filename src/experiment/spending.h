#pragma once
// What a run pays for each round, at both levels: asked before a round, recorded in the ledger
// before anyone draws noise.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiment/epsilons.h"
#include "starling/experiment/plan.h"
#include "starling/privacy/ledger.h"

namespace starling::experiment {

// The ledger's line of one participant under example-level privacy, with the run's id and
// configuration.
LedgerEntry example_entry(const FederationPlan& plan, int64_t client, int64_t round,
                          const std::string& run, const std::string& config);

// That of what a client releases before the first round, and its round is the first.
LedgerEntry standardization_entry(const FederationPlan& plan, int64_t client,
                                  const std::string& run, const std::string& config);

class Spending {
 public:
  // `plan` must outlive it. The ledger's file is made where anything is private.
  Spending(const Experiment& experiment, const FederationPlan& plan, const std::string& ledger);
  Spending(const Spending&) = delete;
  Spending& operator=(const Spending&) = delete;

  // Names for the ledger's lines.
  void identify(const std::string& run, const std::string& config);

  // The lines of what clients release before the first round are on the disk when this returns; by
  // client, empty where nothing is. A replay records nothing.
  std::map<int64_t, LedgerEntry> pay_standardization();

  // Whether the server's budget allows another round; true without client-level privacy. More
  // rounds never spend less: where the budget allows all of the plan, it allows each.
  bool affords_round() const;
  // Those whose own budget allows this round. The plan is calibrated so that all can; this is the
  // check that holds whatever the plan says.
  std::vector<int64_t> able(const std::vector<int64_t>& scheduled);
  // The round's lines are on the disk when this returns. The result holds the line of each
  // participant under example-level privacy. Where cohorts are secret, every client pays for every
  // round: its lines would show who took part.
  std::map<int64_t, LedgerEntry> pay(int64_t round, const std::vector<int64_t>& participants);

  std::optional<double> example_epsilon();       // the largest client's, now
  std::optional<double> client_epsilon() const;  // the server's, now
  double epsilon_of(int64_t client);             // at example level, now
  int64_t rounds_of(int64_t client) const { return spent_->rounds_of(client); }

  // What was paid for, for checkpoints; by client id, empty without example-level privacy.
  std::vector<int64_t> client_rounds() const;
  int64_t server_rounds() const { return server_rounds_; }
  // Of a resumed run; the ledger holds their lines already. Errors: InputError where they are of
  // another number of clients.
  void restore(const std::vector<int64_t>& client_rounds, int64_t server_rounds);

  const PrivacyLedger& ledger() const { return ledger_; }
  const Accountant* example_accountant() const { return example_accountant_.get(); }
  const Accountant* client_accountant() const { return client_accountant_.get(); }

 private:
  double server_epsilon(int64_t rounds) const;
  LedgerEntry server_entry(int64_t round) const;

  const FederationPlan& plan_;
  std::optional<double> example_target_;
  std::optional<double> client_target_;
  std::unique_ptr<Accountant> example_accountant_;
  std::unique_ptr<Accountant> client_accountant_;
  std::optional<SpentPrivacy> spent_;
  int64_t server_rounds_ = 0;
  std::unique_ptr<Epsilons> server_epsilons_;  // with client-level privacy
  bool affords_plan_ = true;
  PrivacyLedger ledger_;
  std::string run_;
  std::string config_;
};

}  // namespace starling::experiment
