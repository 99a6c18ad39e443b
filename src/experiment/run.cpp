#include "starling/experiment/run.h"

#include <algorithm>
#include <chrono>

#include "experiment/assemble.h"
#include "experiment/client_tasks.h"
#include "experiment/complete_record.h"
#include "experiment/device.h"
#include "experiment/evaluate.h"
#include "experiment/fingerprint.h"
#include "experiment/follow.h"
#include "experiment/history.h"
#include "experiment/prepare.h"
#include "experiment/round_order.h"
#include "experiment/run_folder.h"
#include "experiment/run_key.h"
#include "experiment/run_state.h"
#include "experiment/schedule.h"
#include "experiment/spending.h"
#include "experiment/standardize.h"
#include "starling/core/checkpoint.h"
#include "starling/core/error.h"
#include "starling/core/interrupt.h"
#include "starling/core/log.h"
#include "starling/federated/simulation.h"
#include "starling/federated/world.h"
#include "starling/train/schedule.h"

namespace starling {
namespace {

using experiment::evaluate_round;
using experiment::interrupted_on_any;
using experiment::pass_on;
using experiment::RoundOrder;
using experiment::RunFolder;
using experiment::RunKey;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Run {
 public:
  Run(const Experiment& experiment, const RunOptions& options, experiment::Prepared prepared,
      Ranks& ranks);
  // Reads back or begins the record; a checkpoint is on the disk then.
  void begin();
  // What the other ranks begin with.
  Checkpoint start() { return experiment::start_message(checkpoint(), key_.key()); }
  // Tells the other ranks how it ended.
  RunResult carry_out();

 private:
  Checkpoint checkpoint();
  experiment::Environment environment(int64_t ranks = 1) const;
  void begin_record();
  void resume();
  void assemble();
  void save();
  std::vector<int64_t> cohort(int64_t round) const;
  RoundStory story_of(int64_t round);
  RoundOutcome train(int64_t round, const RoundStory& story,
                     const std::map<int64_t, LedgerEntry>& paid);
  void count_bytes(int64_t round, const RoundStory& story, const RoundOutcome& outcome);
  void count_standardization();
  void one_round(int64_t round);
  void all_rounds();
  RunResult finish();
  void record(const experiment::RoundEvaluation& evaluated, RoundRecord& record);
  void record_clients(const std::vector<Evaluation>& evaluated, RoundRecord& record);
  void report(RoundProgress progress, const RoundOutcome& outcome);
  std::string status() const;

  const Experiment& experiment_;
  const RunOptions& options_;
  const ExamplePrivacy* example_;  // null without that level
  Ranks& ranks_;
  Federation federation_;
  int64_t workers_;
  Json resolved_;
  RunFolder folder_;
  CheckpointFolder checkpoints_;
  std::optional<Checkpoint> former_;  // what a resumed run goes on from
  std::string config_;
  RunRecord record_;
  RunKey key_;
  experiment::Spending spending_;
  Server server_;
  std::optional<Simulation> simulation_;  // once columns are standardised
  World world_;
  experiment::GlobalHistory history_;
  experiment::ClientTasks tasks_;
  int64_t round_ = 0;        // rounds that are finished
  int64_t first_round_ = 0;  // where this process began
  std::optional<int> stopped_by_;
  Clock::time_point start_ = Clock::now();
};

RunFolder folder_of(const Experiment& experiment, const RunOptions& options) {
  if (options.resume) return RunFolder::reopen(options.out);
  return RunFolder::make(options.out, experiment.output.folder, experiment.name);
}

std::optional<Checkpoint> former_of(const CheckpointFolder& checkpoints,
                                    const RunOptions& options) {
  if (!options.resume) return std::nullopt;
  auto former = checkpoints.newest();
  if (!former)
    throw InputError("--resume " + options.out,
                     "holds no checkpoint: the run ended before its first; start it again");
  return former;
}

RunRecord identified(const Experiment& experiment, const std::string& config,
                     const std::optional<Checkpoint>& former) {
  if (former) return experiment::unpack_progress(*former).record;
  RunRecord record;
  record.name = experiment.name;
  record.id = experiment::run_id(experiment, config);
  return record;
}

Run::Run(const Experiment& experiment, const RunOptions& options, experiment::Prepared prepared,
         Ranks& ranks)
    : experiment_(experiment),
      options_(options),
      example_(example_level(experiment.privacy)),
      ranks_(ranks),
      federation_(std::move(prepared.federation)),
      workers_(prepared.workers),
      resolved_(std::move(prepared.resolved)),
      folder_(folder_of(experiment, options)),
      checkpoints_(folder_.path("checkpoint"), experiment.output.keep_checkpoints),
      former_(former_of(checkpoints_, options)),
      config_(std::move(prepared.config)),
      record_(identified(experiment, config_, former_)),
      key_(experiment, record_.id, options.key_file, options.resume),
      spending_(experiment, federation_.plan, folder_.path("ledger.jsonl")),
      server_(experiment::make_server(experiment, federation_)),
      world_(experiment.world, RandomKey::from_seed(static_cast<uint64_t>(experiment.seed))),
      history_(federation_.plan.async),
      tasks_(experiment, federation_, key_.key(), history_) {
  // It covers the private data: without a secret, anyone could try data against it.
  if (is_private(experiment.privacy)) config_ = key_.key().derive("config " + config_).to_hex();
  spending_.identify(record_.id, config_);
}

// Nothing is changed before everything fits.
void Run::resume() {
  const auto progress = experiment::unpack_progress(*former_);
  experiment::check_same_experiment(*former_, resolved_, options_.source);
  experiment::check_same_environment(progress, environment());
  check_belongs(*former_, record_.id, config_, options_.source);
  if (is_private(experiment_.privacy))
    PrivacyLedger::read(folder_.path("ledger.jsonl"), progress.ledger);
  assemble();
  experiment::unpack_federation(*former_, server_, *simulation_, history_);
  folder_.cut_tables(progress.file_sizes);
  spending_.restore(progress.client_rounds, progress.server_rounds);
  round_ = first_round_ = former_->round;
  ++record_.resumes;
  former_.reset();
  log::info("run " + record_.id + " goes on after round " + std::to_string(round_));
}

// A resumed run repeats the release of its columns' sums: same key, same examples, same bytes.
void Run::assemble() {
  const auto paid = spending_.pay_standardization();
  record_.columns = experiment::standardize(federation_, paid, key_.key());
  simulation_.emplace(experiment::make_simulation(experiment_, federation_, workers_));
  simulation_->set_ranks(ranks_);
}

experiment::Environment Run::environment(int64_t ranks) const {
  return experiment::environment_of(experiment::describe(federation_.device), workers_, ranks);
}

Checkpoint Run::checkpoint() {
  experiment::RunProgress progress;
  progress.record = record_;
  progress.record.seconds += seconds_since(start_);
  progress.file_sizes = folder_.table_sizes();
  progress.ledger = spending_.ledger().head();
  progress.client_rounds = spending_.client_rounds();
  progress.server_rounds = spending_.server_rounds();
  return experiment::pack(round_, config_, resolved_, progress, server_, *simulation_, history_);
}

void Run::save() {
  checkpoints_.write(checkpoint());
  key_.keep();
}

void Run::begin_record() {
  record_.description = experiment_.description;
  record_.started = experiment::utc_now();
  record_.parameters = federation_.parameters;
  if (sizes_are_public(experiment_)) record_.train_examples = federation_.train_examples;
  record_.test_examples = federation_.test.size();
  record_.population = std::ssize(federation_.plan.clients);
  record_.rounds_planned = experiment_.rounds;
  record_.experiment = resolved_;
  record_.environment = environment(ranks_.size());
  folder_.write_experiment(resolved_);
  log::info("run " + record_.id + " of " + experiment_.name + " begins");
  if (federation_.plan.warning) log::warning(*federation_.plan.warning);
}

std::vector<int64_t> Run::cohort(int64_t round) const {
  const auto& plan = federation_.plan;
  return plan.has_secret_cohorts() ? experiment::draw_cohort(plan.server->round, round, key_.key())
                                   : plan.schedule[static_cast<size_t>(round)];
}

// Who is invited, who trains and whose upload counts.
RoundStory Run::story_of(int64_t round) {
  const auto invited = spending_.able(cohort(round));
  if (federation_.plan.async.empty())
    return world_.play(round, invited, wanted_clients(experiment_, std::ssize(invited)));
  const AsyncRound& async = federation_.plan.async[static_cast<size_t>(round)];
  RoundStory story;
  story.charged = invited;
  story.duration = async.time;
  for (const auto& job : async.jobs)
    if (job.counted && std::ranges::binary_search(invited, job.client))
      story.counted.push_back(job.client);
  std::ranges::sort(story.counted);
  return story;
}

void Run::record(const experiment::RoundEvaluation& evaluated, RoundRecord& record) {
  if (!evaluated.test) return;
  const Evaluation& test = *evaluated.test;
  if (!federation_.test.is_regression()) record.accuracy = test.accuracy();
  record.loss = test.loss();
  record.auc = test.auc();
  record.f1 = test.f1();
  if (evaluated.stamped) record.attack_success = evaluated.stamped->accuracy();
  for (const auto& device : evaluated.devices) record.device_accuracy.push_back(device.accuracy());
  if (!evaluated.clients.empty()) record_clients(evaluated.clients, record);
}

// With the other ranks, which wait for the order: the round is paid for when it is given. What is
// collective comes before anything that rank 0 may fail at alone.
RoundOutcome Run::train(int64_t round, const RoundStory& story,
                        const std::map<int64_t, LedgerEntry>& paid) {
  const auto kind = story.aborted ? RoundOrder::leave_out : RoundOrder::train;
  pass_on(ranks_, {kind, round, story.counted}, server_.global());
  RoundOutcome outcome;
  if (story.aborted) {
    log::info("round " + std::to_string(round + 1) + " is left out: too few clients reported");
  } else {
    outcome = simulation_->round(
        server_, round, story.counted,
        [&](int64_t client) { return tasks_.of(client, round, paid); }, key_.key());
  }
  stopped_by_ = interrupted_on_any(ranks_);
  return outcome;
}

void Run::count_bytes(int64_t round, const RoundStory& story, const RoundOutcome& outcome) {
  // What became of a protected client's upload is private.
  const bool shows_uploads = !federation_.plan.server;
  folder_.append_communication(round, story, outcome, shows_uploads);
  if (!shows_uploads) return;
  record_.bytes_up = record_.bytes_up.value_or(0) + outcome.bytes_up;
  record_.bytes_down = record_.bytes_down.value_or(0) + outcome.bytes_down;
}

// Sums of columns go up and their means and deviations come down before the first round.
void Run::count_standardization() {
  const auto& plan = federation_.plan;
  if (!plan.standardization) return;
  RoundStory all;
  for (const auto& client : plan.clients) all.charged.push_back(client.client);
  RoundOutcome released;
  released.used = std::ssize(plan.clients);
  const auto bytes = static_cast<int64_t>(sizeof(double)) * released.used;
  released.bytes_up = bytes * plan.standardization->coordinates();
  released.bytes_down = bytes * 2 * std::ssize(plan.standardization->takes_missing);
  count_bytes(0, all, released);
}

void Run::one_round(int64_t round) {
  const RoundStory story = story_of(round);
  const auto paid = spending_.pay(round, story.charged);
  history_.begin(round, server_.global());
  const RoundOutcome outcome = train(round, story, paid);
  const auto evaluated = evaluate_round(experiment_, federation_, *simulation_, server_, round);

  RoundProgress progress;
  progress.round.round = round + 1;
  if (!federation_.plan.has_secret_cohorts()) {
    progress.round.clients = std::ssize(story.charged);
    count_bytes(round + 1, story, outcome);
  }
  progress.round.learning_rate =
      learning_rate_factor(experiment_.local.schedule, round, experiment_.rounds) *
      std::visit([](const auto& spec) { return spec.learning_rate; }, experiment_.local.optimizer);
  record(evaluated, progress.round);
  const auto client_epsilon = spending_.client_epsilon();
  progress.round.epsilon = example_ != nullptr ? spending_.example_epsilon() : client_epsilon;
  if (example_ != nullptr) progress.round.client_epsilon = client_epsilon;
  report(progress, outcome);
}

void Run::report(RoundProgress progress, const RoundOutcome& outcome) {
  const auto done = static_cast<double>(progress.round.round - first_round_);
  progress.rounds_planned = federation_.plan.rounds;
  progress.seconds = seconds_since(start_);
  progress.seconds_left =
      progress.seconds / done * static_cast<double>(progress.rounds_planned - progress.round.round);
  record_.rounds.push_back(progress.round);
  folder_.append_round(progress.round, progress.seconds);
  if (reveals_private_metrics(experiment_.privacy))
    folder_.append_training(progress.round.round, outcome.metrics, is_private(experiment_.privacy));
  if (options_.on_round) options_.on_round(progress);
}

// The model that each client would use, on its own examples: private in a DP run.
void Run::record_clients(const std::vector<Evaluation>& evaluated, RoundRecord& record) {
  std::vector<double> accuracies;
  for (size_t client = 0; client < evaluated.size(); ++client) {
    accuracies.push_back(evaluated[client].accuracy());
    folder_.append_client(record.round, static_cast<int64_t>(client), evaluated[client],
                          federation_.test.is_regression(), is_private(experiment_.privacy));
  }
  if (!is_private(experiment_.privacy) && !federation_.test.is_regression())
    record.client_accuracy = spread_of(accuracies);
}

std::string Run::status() const {
  const std::string after =
      " after " + std::to_string(round_) + " of " + std::to_string(experiment_.rounds) + " rounds";
  if (stopped_by_)
    return "stopped by " + std::string(signal_name(*stopped_by_)) + after +
           "; continue with starling run --resume " + folder_.folder();
  if (round_ == experiment_.rounds) return "complete";
  return "ended" + after + ": " +
         (round_ < federation_.plan.rounds
              ? "the next one would pass the target epsilon of its clients"
              : "every client had reached max_participations");
}

void Run::begin() {
  log::to_file(folder_.path("log.txt"));
  start_ = Clock::now();
  if (former_) {
    resume();
  } else {
    begin_record();
    assemble();
    count_standardization();
    save();
  }
  if (options_.on_start) options_.on_start(record_, folder_.folder());
}

void Run::all_rounds() {
  while (!stopped_by_ && round_ < federation_.plan.rounds && spending_.affords_round()) {
    one_round(round_++);
    save();
    if (!stopped_by_) stopped_by_ = interrupted();
    if (round_ == federation_.plan.rounds) stopped_by_.reset();
  }
}

RunResult Run::finish() {
  record_.status = status();
  record_.seconds += seconds_since(start_);
  experiment::complete_record(record_, experiment_, federation_, spending_, server_.global());
  folder_.finish(record_, server_.global(), simulation_->device_models(server_));
  if (!stopped_by_) key_.retire();
  log::info("run " + record_.id + ": " + record_.status);
  log::close_file();
  return {record_, folder_.folder(), stopped_by_};
}

// The others wait for an order whenever rank 0 fails alone.
RunResult Run::carry_out() {
  try {
    all_rounds();
    RunResult result = finish();
    pass_on(ranks_, {.kind = RoundOrder::end, .signal = stopped_by_.value_or(0)}, server_.global());
    return result;
  } catch (const AgreedError&) {
    throw;
  } catch (...) {
    pass_on(ranks_, {.kind = RoundOrder::failed}, server_.global());
    throw;
  }
}

}  // namespace

RunResult run(const Experiment& experiment, const RunOptions& options) {
  Ranks& ranks = options.ranks == nullptr ? one_rank() : *options.ranks;
  auto prepared = together(ranks, [&] { return experiment::prepare(experiment, options, ranks); });
  experiment::check_same_on_all(ranks, prepared);
  if (ranks.rank() > 0) return experiment::follow(experiment, std::move(prepared), ranks);
  std::string start;
  const auto run = together(ranks, [&] {
    auto made = std::make_unique<Run>(experiment, options, std::move(prepared), ranks);
    made->begin();
    if (ranks.size() > 1) start = format_checkpoint(made->start());
    return made;
  });
  ranks.broadcast(start);
  together(ranks, [] {});  // the others read it
  return run->carry_out();
}

}  // namespace starling
