#include "experiment/spending.h"

#include <numeric>

#include "experiment/stream_name.h"
#include "starling/core/error.h"
#include "starling/core/log.h"
#include "starling/train/dp_optimizer.h"

namespace starling::experiment {
namespace {

LedgerEntry named(LedgerEntry entry, const FederationPlan& plan, const std::string& stream,
                  const std::string& run, const std::string& config) {
  entry.run = run;
  entry.config = config;
  entry.stream = (plan.insecure_seed ? kInsecureStream : "") + stream;
  return entry;
}

}  // namespace

LedgerEntry example_entry(const FederationPlan& plan, int64_t client, int64_t round,
                          const std::string& run, const std::string& config) {
  const ClientPlan& of_client = plan.clients.at(static_cast<size_t>(client));
  return named(ledger_entry(*of_client.privacy, of_client.steps, client, round), plan,
               "noise/" + std::to_string(client) + "/" + std::to_string(round), run, config);
}

LedgerEntry standardization_entry(const FederationPlan& plan, int64_t client,
                                  const std::string& run, const std::string& config) {
  LedgerEntry entry;
  entry.client = client;
  entry.relation = plan.standardization->relation;
  entry.event = plan.standardization->event();
  return named(entry, plan, "standardization/" + std::to_string(client), run, config);
}

Spending::Spending(const Experiment& experiment, const FederationPlan& plan,
                   const std::string& ledger)
    : plan_(plan) {
  if (const auto* privacy = example_level(experiment.privacy)) {
    example_target_ = privacy->epsilon;
    example_accountant_ = make_accountant(privacy->accountant);
    spent_.emplace(plan, *example_accountant_);
  }
  if (const auto* privacy = client_level(experiment.privacy)) {
    client_target_ = privacy->epsilon;
    client_accountant_ = make_accountant(privacy->accountant);
    server_epsilons_ = std::make_unique<Epsilons>(
        [this](int64_t rounds) { return server_epsilon(rounds); }, plan.rounds);
    affords_plan_ = !client_target_ || server_epsilon(plan.rounds) <= *client_target_;
  }
  if (is_private(experiment.privacy)) ledger_ = PrivacyLedger::open(ledger);
}

void Spending::identify(const std::string& run, const std::string& config) {
  run_ = run;
  config_ = config;
}

double Spending::server_epsilon(int64_t rounds) const {
  const Composition spent = spent_by_server(plan_.server->round, rounds);
  if (spent.events.empty()) return 0.0;
  return client_accountant_->epsilon(spent.events, spent.relation, plan_.server->delta).epsilon;
}

std::map<int64_t, LedgerEntry> Spending::pay_standardization() {
  std::map<int64_t, LedgerEntry> paid;
  if (!plan_.standardization) return paid;
  std::vector<LedgerEntry> entries;
  for (const auto& client : plan_.clients) {
    paid[client.client] = standardization_entry(plan_, client.client, run_, config_);
    entries.push_back(paid[client.client]);
  }
  ledger_.record(entries);
  return paid;
}

bool Spending::affords_round() const {
  return affords_plan_ || server_epsilons_->after(server_rounds_ + 1) <= *client_target_;
}

std::vector<int64_t> Spending::able(const std::vector<int64_t>& scheduled) {
  if (!example_target_) return scheduled;
  std::vector<int64_t> able;
  for (const int64_t client : scheduled) {
    if (spent_->epsilon_after(client, spent_->rounds_of(client) + 1) <= *example_target_)
      able.push_back(client);
    else
      log::info("client " + std::to_string(client) + " sits out: its budget is spent");
  }
  return able;
}

LedgerEntry Spending::server_entry(int64_t round) const {
  const RoundPlan& plan = plan_.server->round;
  LedgerEntry entry;
  entry.unit = Unit::client;
  entry.client = -1;
  entry.round = round;
  entry.relation = plan.relation;
  entry.event = plan.event();
  entry.count = plan.releases(round);
  return named(entry, plan_, "server_noise/" + std::to_string(round), run_, config_);
}

std::map<int64_t, LedgerEntry> Spending::pay(int64_t round,
                                             const std::vector<int64_t>& participants) {
  std::map<int64_t, LedgerEntry> paid;
  std::vector<LedgerEntry> entries;
  if (plan_.server) entries.push_back(server_entry(round));
  if (spent_) {
    std::vector<int64_t> payers = participants;
    if (plan_.has_secret_cohorts()) {
      payers.resize(plan_.clients.size());
      std::iota(payers.begin(), payers.end(), 0);
    }
    for (const int64_t client : payers) {
      paid[client] = example_entry(plan_, client, round, run_, config_);
      entries.push_back(paid[client]);
    }
  }
  if (entries.empty()) return paid;
  ledger_.record(entries);
  if (plan_.server) server_epsilons_->prepare(++server_rounds_);
  for (const auto& [client, entry] : paid) spent_->take_part(client);
  return paid;
}

std::vector<int64_t> Spending::client_rounds() const {
  std::vector<int64_t> rounds;
  if (!spent_) return rounds;
  for (const auto& client : plan_.clients) rounds.push_back(spent_->rounds_of(client.client));
  return rounds;
}

void Spending::restore(const std::vector<int64_t>& client_rounds, int64_t server_rounds) {
  if (client_rounds.size() != (spent_ ? plan_.clients.size() : 0))
    throw InputError("checkpoint", "counts the rounds of " + std::to_string(client_rounds.size()) +
                                       " clients, which are not the experiment's");
  for (size_t i = 0; i < client_rounds.size(); ++i)
    for (int64_t round = 0; round < client_rounds[i]; ++round)
      spent_->take_part(static_cast<int64_t>(i));
  server_rounds_ = server_rounds;
}

std::optional<double> Spending::example_epsilon() {
  return spent_ ? std::optional(spent_->largest()) : std::nullopt;
}

std::optional<double> Spending::client_epsilon() const {
  return plan_.server ? std::optional(server_epsilons_->after(server_rounds_)) : std::nullopt;
}

double Spending::epsilon_of(int64_t client) {
  return spent_->epsilon_after(client, spent_->rounds_of(client));
}

}  // namespace starling::experiment
