#include "experiment/client_tasks.h"

#include <algorithm>

#include "starling/core/error.h"
#include "starling/train/schedule.h"

namespace starling::experiment {
namespace {

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

}  // namespace

ClientTasks::ClientTasks(const Experiment& experiment, const Federation& federation,
                         const RandomKey& key, const GlobalHistory& history)
    : experiment_(experiment),
      privacy_(example_level(experiment.privacy)),
      federation_(federation),
      key_(key),
      history_(history) {}

LocalPlan ClientTasks::local_plan(int64_t round) const {
  LocalPlan plan;
  plan.sampling = experiment_.local.sampling;
  plan.batch_size = experiment_.local.batch_size;
  plan.optimizer = experiment_.local.optimizer;
  plan.learning_rate_factor =
      learning_rate_factor(experiment_.local.schedule, round, experiment_.rounds);
  return plan;
}

// The server trains on its own examples as its clients do, without noise: they are public.
ClientTask ClientTasks::root_task(int64_t round) const {
  ClientTask task;
  task.round = round;
  task.key = key_.derive("root");
  task.local = local_plan(round);
  task.local.sampling = SamplingKind::shuffle;
  const int64_t size = task.local.batch_size;
  const int64_t epoch = (federation_.root->size() + size - 1) / size;
  task.local.steps = experiment_.local.steps.value_or(experiment_.local.epochs.value_or(1) * epoch);
  return task;
}

ClientTask ClientTasks::of(int64_t client, int64_t round,
                           const std::map<int64_t, LedgerEntry>& paid) const {
  if (client < 0) return root_task(round);
  const ClientPlan& plan = federation_.plan.clients.at(static_cast<size_t>(client));
  ClientTask task;
  task.round = round;
  task.key = key_.derive("client " + std::to_string(client));
  task.fixed_buffers = is_private(experiment_.privacy);
  task.local = local_plan(round);
  task.local.steps = plan.steps;
  task.local.sample_rate = experiment_.local.sample_rate.value_or(std::min(
      1.0, static_cast<double>(experiment_.local.batch_size) / static_cast<double>(plan.examples)));
  if (privacy_ != nullptr)
    task.privacy = ExampleLevel{*plan.privacy, paid.at(client), engine_kind(privacy_->clipping),
                                privacy_->noise};
  task.sum_only = federation_.plan.sums.has_value();
  if (!federation_.plan.async.empty()) {
    const auto& jobs = federation_.plan.async[static_cast<size_t>(round)].jobs;
    const auto job = std::ranges::find(jobs, client, &AsyncJob::client);
    task.start = history_.at(job->start);
    task.staleness = round - job->start;
  }
  return task;
}

}  // namespace starling::experiment
