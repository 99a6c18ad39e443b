#include "experiment/prepare.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "experiment/device.h"
#include "experiment/fingerprint.h"
#include "federated/public_set.h"
#include "starling/core/error.h"
#include "starling/core/log.h"

namespace starling::experiment {
namespace {

Federation probed(const Experiment& experiment, const RunOptions& options) {
  make_repeatable(device_for(experiment, options), is_private(experiment.privacy));
  Federation federation = set_up(experiment, options);
  if (!is_private(experiment.privacy)) return federation;
  for (const auto& operation : probe_model(federation, options.source).without_rule)
    log::info("no rule of its own, hence slower, though exact: " + operation);
  return federation;
}

bool draws_random_numbers(const ModelFactory& factory, const Examples& sample) {
  const auto model = factory();
  model->train();
  const auto device = device_of(*model);
  const auto generator = at::globalContext().defaultGenerator(device);
  const auto before = generator.get_state();
  torch::NoGradGuard no_grad;
  model->forward(sample.features.slice(0, 0, std::min<int64_t>(2, sample.size())).to(device));
  return !at::equal(before, generator.get_state());
}

// The cores that this process may use, or its part of those that its machine's ranks share.
int64_t cores_of(const Ranks& ranks) {
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  const bool bound = cores < ::sysconf(_SC_NPROCESSORS_ONLN);
  return std::max<int64_t>(1, bound ? cores : cores / ranks.local_size());
}

bool draws_random_numbers(const Federation& federation) {
  const auto draws = [&](const auto& group) {
    return draws_random_numbers(group.factory, federation.test);
  };
  return draws(federation) || std::ranges::any_of(federation.devices, draws);
}

// Under privacy masks must be as secret as the noise (train/random_layers.h).
void refuse_masks_that_can_be_guessed(const Experiment& experiment, const RunOptions& options,
                                      const Federation& federation) {
  if (!is_private(experiment.privacy) || federation.device.is_cpu()) return;
  throw InputError(options.source + ": /compute/device",
                   "the model draws random numbers while it trains (dropout), which off the CPU "
                   "come from a generator with a key of 64 bits; whoever guesses them voids the "
                   "guarantee. Leave dropout out of the model, or use \"cpu\"");
}

// LibTorch's own random layers share one generator: they are repeatable on one worker only.
int64_t workers_for(const Experiment& experiment, const RunOptions& options,
                    const Federation& federation, const Ranks& ranks) {
  if (draws_random_numbers(federation)) {
    refuse_masks_that_can_be_guessed(experiment, options, federation);
    return 1;
  }
  return options.workers > 0 ? options.workers : cores_of(ranks);
}

// Each architecture once, on the public set with its labels.
void pretrain(const Experiment& experiment, Federation& federation) {
  const auto* fedmd = std::get_if<FedMdSpec>(&experiment.strategy);
  if (fedmd == nullptr || fedmd->pretraining_epochs == 0) return;
  at::set_num_threads(static_cast<int>(experiment.compute.threads_per_client));
  const auto key =
      RandomKey::from_seed(static_cast<uint64_t>(experiment.seed)).derive("pretraining");
  const auto pretrained = [&](const ModelFactory& factory, int64_t architecture) {
    const auto model = factory();
    learn_labels(*model, federation.public_examples, fedmd->distillation, fedmd->pretraining_epochs,
                 {key, architecture, 0});
    return state_of(*model);
  };
  federation.initial = pretrained(federation.factory, 0);
  for (size_t i = 0; i < federation.devices.size(); ++i)
    federation.devices[i].initial =
        pretrained(federation.devices[i].factory, static_cast<int64_t>(i) + 1);
}

}  // namespace

Prepared prepare(const Experiment& experiment, const RunOptions& options, const Ranks& ranks) {
  Prepared prepared;
  prepared.federation = probed(experiment, options);
  pretrain(experiment, prepared.federation);
  prepared.workers = workers_for(experiment, options, prepared.federation, ranks);
  prepared.resolved = to_json(self_contained(experiment));
  prepared.config =
      config_hash(prepared.resolved, prepared.federation.data_hash,
                  environment_of(describe(prepared.federation.device), prepared.workers));
  return prepared;
}

void check_same_on_all(Ranks& ranks, const Prepared& prepared) {
  const auto configs = ranks.gather(prepared.config);
  for (size_t rank = 1; rank < configs.size(); ++rank)
    if (configs[rank] != configs[0])
      throw AgreedError(
          "rank " + std::to_string(rank) +
              " has another experiment, other data, another program, or another "
              "kind of CPU or device than rank 0: the result would depend on who trains whom",
          /*wrong_input=*/true);
}

}  // namespace starling::experiment
