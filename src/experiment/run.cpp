#include "starling/experiment/run.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "experiment/fingerprint.h"
#include "experiment/run_folder.h"
#include "experiment/run_key.h"
#include "experiment/statement.h"
#include "starling/core/error.h"
#include "starling/core/log.h"
#include "starling/federated/simulation.h"
#include "starling/train/dp_optimizer.h"
#include "starling/train/schedule.h"

namespace starling {
namespace {

using experiment::RunFolder;
using experiment::RunKey;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Clipping::Kind engine_kind(ClippingKind kind) {
  switch (kind) {
    case ClippingKind::flat:
      return Clipping::Kind::flat;
    case ClippingKind::per_layer:
      return Clipping::Kind::per_layer;
    case ClippingKind::automatic:
      return Clipping::Kind::automatic;
  }
  throw Error("unknown clipping kind");
}

bool draws_random_numbers(const ModelFactory& factory, const Examples& sample) {
  const auto model = factory();
  model->train();
  const auto generator = at::globalContext().defaultGenerator(at::kCPU);
  const auto before = generator.get_state();
  torch::NoGradGuard no_grad;
  model->forward(sample.features.slice(0, 0, std::min<int64_t>(2, sample.size())));
  return !at::equal(before, generator.get_state());
}

// LibTorch's own random layers share one generator: they are repeatable on one worker only.
int64_t workers_for(const RunOptions& options, const Federation& federation) {
  if (draws_random_numbers(federation.factory, federation.test)) return 1;
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  return options.workers > 0 ? options.workers : std::max<int64_t>(1, cores);
}

std::vector<Client> make_clients(std::vector<Examples>& examples) {
  std::vector<Client> clients;
  for (size_t i = 0; i < examples.size(); ++i)
    clients.emplace_back(static_cast<int64_t>(i), std::move(examples[i]));
  return clients;
}

class Run {
 public:
  Run(const Experiment& experiment, const RunOptions& options);
  RunResult carry_out();

 private:
  void begin_record();
  std::vector<int64_t> afford(const std::vector<int64_t>& scheduled);
  std::map<int64_t, LedgerEntry> pay(int64_t round, const std::vector<int64_t>& participants);
  ClientTask task_of(int64_t client, int64_t round,
                     const std::map<int64_t, LedgerEntry>& paid) const;
  void one_round(int64_t round);
  void evaluate_clients(int64_t round);
  void list_clients();

  const Experiment& experiment_;
  const RunOptions& options_;
  const ExamplePrivacy* privacy_;
  Federation federation_;
  int64_t workers_;
  Json resolved_;
  std::string config_;
  RunRecord record_;
  RunFolder folder_;
  RunKey key_;
  std::unique_ptr<Accountant> accountant_;
  std::optional<SpentPrivacy> spent_;
  PrivacyLedger ledger_;
  Server server_;
  Simulation simulation_;
  Clock::time_point start_ = Clock::now();
};

// A model that no private run can train is refused before anything is written.
Federation probed(const Experiment& experiment, const RunOptions& options) {
  Federation federation = set_up(experiment, options);
  if (std::holds_alternative<NoPrivacy>(experiment.privacy)) return federation;
  for (const auto& operation : probe_model(federation, options.source).without_rule)
    log::info("no rule of its own, hence slower, though exact: " + operation);
  return federation;
}

RunRecord identified(const Experiment& experiment, const std::string& config) {
  RunRecord record;
  record.name = experiment.name;
  record.id = experiment::run_id(experiment, config);
  return record;
}

Run::Run(const Experiment& experiment, const RunOptions& options)
    : experiment_(experiment),
      options_(options),
      privacy_(std::get_if<ExamplePrivacy>(&experiment.privacy)),
      federation_(probed(experiment, options)),
      workers_(workers_for(options, federation_)),
      resolved_(to_json(self_contained(experiment))),
      config_(experiment::config_hash(resolved_, federation_.data_hash,
                                      experiment::environment_of(workers_))),
      record_(identified(experiment, config_)),
      folder_(options.out, experiment.output.folder, experiment.name),
      key_(experiment, record_.id, options.key_file),
      server_(federation_.initial, make_strategy(experiment.strategy)),
      simulation_(federation_.factory, make_clients(federation_.clients), workers_,
                  experiment.compute.threads_per_client) {
  if (privacy_ == nullptr) return;
  accountant_ = make_accountant(privacy_->accountant);
  spent_.emplace(federation_.plan, *accountant_);
  ledger_ = PrivacyLedger::open(folder_.path("ledger.jsonl"));
  // It covers the private data: without a secret, anyone could try data against it.
  config_ = key_.key().derive("config " + config_).to_hex();
}

void Run::begin_record() {
  record_.description = experiment_.description;
  record_.started = experiment::utc_now();
  record_.parameters = federation_.parameters;
  if (sizes_are_public(experiment_)) record_.train_examples = federation_.train_examples;
  record_.test_examples = federation_.test.size();
  record_.rounds_planned = experiment_.rounds;
  record_.experiment = resolved_;
  record_.environment = experiment::environment_of(workers_);
  folder_.write_experiment(resolved_);
  log::info("run " + record_.id + " of " + experiment_.name + " begins");
  if (federation_.plan.warning) log::warning(*federation_.plan.warning);
}

// Those whose budget allows this round. The plan is calibrated so that all of them can; this is the
// check that holds whatever the plan says.
std::vector<int64_t> Run::afford(const std::vector<int64_t>& scheduled) {
  if (privacy_ == nullptr || !privacy_->epsilon) return scheduled;
  std::vector<int64_t> able;
  for (const int64_t client : scheduled) {
    if (spent_->epsilon_after(client, spent_->rounds_of(client) + 1) <= *privacy_->epsilon)
      able.push_back(client);
    else
      log::info("client " + std::to_string(client) + " sits out: its budget is spent");
  }
  return able;
}

// The ledger's lines are on the disk when this returns, before any client draws noise.
std::map<int64_t, LedgerEntry> Run::pay(int64_t round, const std::vector<int64_t>& participants) {
  std::map<int64_t, LedgerEntry> paid;
  if (privacy_ == nullptr) return paid;
  std::vector<LedgerEntry> entries;
  for (const int64_t client : participants) {
    const ClientPlan& plan = federation_.plan.clients.at(static_cast<size_t>(client));
    LedgerEntry entry = ledger_entry(*plan.privacy, plan.steps, client, round);
    entry.run = record_.id;
    entry.config = config_;
    entry.stream = "noise/" + std::to_string(client) + "/" + std::to_string(round);
    paid[client] = entry;
    entries.push_back(std::move(entry));
  }
  ledger_.record(entries);
  for (const int64_t client : participants) spent_->take_part(client);
  return paid;
}

ClientTask Run::task_of(int64_t client, int64_t round,
                        const std::map<int64_t, LedgerEntry>& paid) const {
  const ClientPlan& plan = federation_.plan.clients.at(static_cast<size_t>(client));
  ClientTask task{round, {}, key_.key().derive("client " + std::to_string(client)), {}};
  task.local.steps = plan.steps;
  task.local.sampling = experiment_.local.sampling;
  task.local.batch_size = experiment_.local.batch_size;
  task.local.sample_rate = experiment_.local.sample_rate.value_or(std::min(
      1.0, static_cast<double>(experiment_.local.batch_size) / static_cast<double>(plan.examples)));
  task.local.optimizer = experiment_.local.optimizer;
  task.local.learning_rate_factor =
      learning_rate_factor(experiment_.local.schedule, round, experiment_.rounds);
  if (privacy_ != nullptr)
    task.privacy = ExampleLevel{*plan.privacy, paid.at(client), engine_kind(privacy_->clipping),
                                privacy_->noise};
  return task;
}

void Run::one_round(int64_t round) {
  const auto participants = afford(federation_.plan.schedule[static_cast<size_t>(round)]);
  const auto paid = pay(round, participants);
  const auto outcome = simulation_.round(
      server_, participants, [&](int64_t client) { return task_of(client, round, paid); });

  RoundProgress progress;
  progress.round.round = round + 1;
  progress.round.clients = static_cast<int64_t>(participants.size());
  progress.round.learning_rate =
      learning_rate_factor(experiment_.local.schedule, round, experiment_.rounds) *
      std::visit([](const auto& spec) { return spec.learning_rate; }, experiment_.local.optimizer);
  const auto planned = static_cast<int64_t>(federation_.plan.schedule.size());
  if ((round + 1) % experiment_.evaluation.every == 0 || round + 1 == planned) {
    const Evaluation test =
        simulation_.evaluate(server_.global(), federation_.test, experiment_.evaluation.batch_size);
    progress.round.accuracy = test.accuracy();
    progress.round.loss = test.loss();
    if (experiment_.evaluation.per_client) evaluate_clients(round + 1);
  }
  if (privacy_ != nullptr) progress.round.epsilon = spent_->largest();
  progress.rounds_planned = planned;
  progress.seconds = seconds_since(start_);
  progress.seconds_left =
      progress.seconds / static_cast<double>(round + 1) * static_cast<double>(planned - round - 1);

  record_.rounds.push_back(progress.round);
  folder_.append_round(progress.round, progress.seconds);
  if (privacy_ == nullptr || privacy_->reveal_private_metrics)
    folder_.append_training(round + 1, outcome.metrics, privacy_ != nullptr);
  if (options_.on_round) options_.on_round(progress);
}

// The global model on each client's own examples: private in a DP run.
void Run::evaluate_clients(int64_t round) {
  for (const auto& client : simulation_.clients())
    folder_.append_client(
        round, client.id(),
        simulation_.evaluate(server_.global(), client.data(), experiment_.evaluation.batch_size),
        privacy_ != nullptr);
}

void Run::list_clients() {
  for (const auto& plan : federation_.plan.clients) {
    ClientRecord client;
    client.client = plan.client;
    if (sizes_are_public(experiment_)) client.examples = plan.examples;
    client.rounds = plan.rounds;
    if (privacy_ != nullptr) {
      client.rounds = spent_->rounds_of(plan.client);
      client.steps = client.rounds * plan.steps;
      client.sample_rate = plan.privacy->sample_rate;
      if (client.rounds > 0) client.noise_multiplier = plan.privacy->noise_multiplier;
      client.epsilon = spent_->epsilon_after(plan.client, client.rounds);
    }
    record_.clients.push_back(client);
  }
}

RunResult Run::carry_out() {
  log::to_file(folder_.path("log.txt"));
  begin_record();
  if (options_.on_start) options_.on_start(record_, folder_.folder());
  start_ = Clock::now();
  const auto rounds = static_cast<int64_t>(federation_.plan.schedule.size());
  for (int64_t round = 0; round < rounds; ++round) one_round(round);
  if (rounds < experiment_.rounds)
    record_.status = "ended after " + std::to_string(rounds) + " of " +
                     std::to_string(experiment_.rounds) +
                     " rounds: every client had reached max_participations";
  record_.seconds = seconds_since(start_);
  list_clients();
  if (privacy_ != nullptr)
    record_.privacy.push_back(
        experiment::state_privacy(experiment_, federation_.plan, ledger_, *accountant_));
  folder_.finish(record_, server_.global());
  log::info("run " + record_.id + ": " + record_.status);
  log::close_file();
  return {record_, folder_.folder()};
}

}  // namespace

RunResult run(const Experiment& experiment, const RunOptions& options) {
  return Run(experiment, options).carry_out();
}

}  // namespace starling
