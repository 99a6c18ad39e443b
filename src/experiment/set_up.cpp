#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "experiment/device.h"
#include "experiment/load_examples.h"
#include "experiment/vocabulary.h"
#include "experiment/words.h"
#include "starling/core/error.h"
#include "starling/core/hash.h"
#include "starling/data/catalogue.h"
#include "starling/data/feature_shift.h"
#include "starling/data/partition.h"
#include "starling/experiment/run.h"
#include "starling/train/dp_optimizer.h"

namespace starling {
namespace {

using experiment::examples_of;

void check_loss(const Experiment& experiment, const Dataset& train, const std::string& source) {
  const bool is_regression = experiment.loss.kind == LossKind::mse;
  if (is_regression == train.is_regression()) return;
  throw InputError(source + ": /loss/kind",
                   is_regression
                       ? "\"mse\" needs a number to predict, and data set " +
                             experiment.dataset.name + " has classes; use \"cross_entropy\""
                       : "\"cross_entropy\" needs classes, and data set " +
                             experiment.dataset.name + " has a number to predict; use \"mse\"");
}

RandomKey seed_key(const Experiment& experiment) {
  return RandomKey::from_seed(static_cast<uint64_t>(experiment.seed));
}

// The complaints of `work` begin with a pointer into the file, from its first key on.
template <class Work>
auto in_file(const std::string& source, Work work) {
  try {
    return work();
  } catch (const InputError& problem) {
    throw InputError(source + problem.what());
  }
}

Partition deal_out(const Experiment& experiment, const Dataset& train, const std::string& source) {
  RandomStream dealing(seed_key(experiment), {Purpose::partition});
  return in_file(source + ": /",
                 [&] { return make_partition(experiment.partition, train, dealing); });
}

template <class Value>
std::string_view bytes_of(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

std::string hash_of(const DataSplit& data) {
  std::string hashes;
  for (const Dataset* part : {&data.train, &data.test}) {
    hashes += sha256_hex(bytes_of(part->features)) + sha256_hex(bytes_of(part->labels));
    if (part->is_regression()) hashes += sha256_hex(bytes_of(part->targets));
  }
  return sha256_hex(hashes);
}

// What `work` complains of is wrong input at this place.
template <class Work>
void at_place(const std::string& place, Work work) {
  try {
    work();
  } catch (const InputError&) {
    throw;
  } catch (const Error& problem) {
    throw InputError(place, problem.what());
  }
}

std::vector<bool> takes_missing(const std::vector<NumberColumn>& columns) {
  std::vector<bool> takes;
  for (const auto& column : columns) takes.push_back(column.takes_missing);
  return takes;
}

// Replicas differ in nothing: every one starts from the same seed, file and frozen layers.
ModelFactory factory_of(const Experiment& experiment, const ModelSpec& spec, const Dataset& train,
                        c10::Device device, const std::string& source, const std::string& pointer) {
  const auto description = describe_model(spec, source, pointer);
  const auto make = model_from_json(description.json, description.source, train.shape,
                                    train.outputs(), description.pointer);
  RandomStream weights(RandomKey::from_seed(static_cast<uint64_t>(experiment.seed)),
                       {Purpose::initial_weights});
  const uint64_t seed = weights.next();
  return [make, seed, device, model = spec, dtype = experiment.compute.dtype,
          place = source + ": " + pointer + "/freeze"] {
    torch::manual_seed(seed);
    auto made = make();
    if (model.initial) load_initial(*made, *model.initial);
    at_place(place, [&] { freeze(*made, model.freeze); });
    made->to(device, experiment::scalar_type(dtype));
    return made;
  };
}

int64_t trainable_count(const torch::nn::Module& model) {
  int64_t count = 0;
  for (const auto& parameter : model.parameters())
    if (parameter.requires_grad()) count += parameter.numel();
  return count;
}

// Moves the examples at `indices`, ascending, out of `data`.
Dataset split_off(Dataset& data, const std::vector<int64_t>& indices) {
  Dataset chosen = data, rest = data;
  for (Dataset* part : {&chosen, &rest}) {
    part->features.clear();
    part->labels.clear();
    part->targets.clear();
    part->owners.clear();
  }
  const auto size = static_cast<size_t>(data.example_size());
  for (int64_t i = 0; i < data.size(); ++i) {
    Dataset& to = std::ranges::binary_search(indices, i) ? chosen : rest;
    const auto first = data.features.begin() + static_cast<int64_t>(size) * i;
    to.features.insert(to.features.end(), first, first + static_cast<int64_t>(size));
    if (data.is_regression()) {
      to.targets.push_back(data.targets[static_cast<size_t>(i)]);
    } else {
      to.labels.push_back(data.labels[static_cast<size_t>(i)]);
    }
    if (!data.owners.empty()) to.owners.push_back(data.owners[static_cast<size_t>(i)]);
  }
  data = std::move(rest);
  return chosen;
}

// Drawn from the training examples before the others are dealt out.
Examples set_aside(const Experiment& experiment, Dataset& train, int64_t count,
                   const std::string& place) {
  if (count >= train.size())
    throw InputError(place, std::to_string(count) + " leaves nothing of the " +
                                std::to_string(train.size()) + " training examples to the clients");
  RandomStream stream(seed_key(experiment), {Purpose::data});
  return examples_of(split_off(train, stream.subset(train.size(), count)),
                     experiment.compute.dtype);
}

// In an order of the seed's, so that those in turn are of every kind.
void mix(const Experiment& experiment, Examples& examples) {
  std::vector<int64_t> order(static_cast<size_t>(examples.size()));
  std::iota(order.begin(), order.end(), 0);
  RandomStream(seed_key(experiment).derive("public"), {Purpose::data}).shuffle(order);
  examples = examples.at(order);
}

// The server's own examples, and those that are public.
void take_root(const Experiment& experiment, Dataset& train, Federation& federation,
               const std::string& source) {
  if (const auto* fltrust = std::get_if<FlTrustAggregation>(&experiment.aggregation))
    federation.root = set_aside(experiment, train, fltrust->root_examples,
                                source + ": /aggregation/root_examples");
  if (const auto* distillation = distillation_of(experiment.strategy)) {
    federation.public_examples = set_aside(experiment, train, distillation->public_examples,
                                           source + ": /strategy/distillation/public_examples");
    const int64_t a_round =
        distillation->examples_per_round.value_or(distillation->public_examples);
    if (a_round > distillation->public_examples)
      throw InputError(source + ": /strategy/distillation/examples_per_round",
                       std::to_string(a_round) + " is more than there are public_examples");
    if (distillation->examples_per_round) mix(experiment, federation.public_examples);
    federation.public_answers = a_round * train.outputs();
  }
}

// Calls work(features, labels) on float32 values, which it may change.
template <class Work>
void change(Examples& examples, Work work) {
  const auto features = examples.features.to(torch::kFloat).contiguous();
  work(std::span(features.data_ptr<float>(), static_cast<size_t>(features.numel())),
       std::span(examples.labels.data_ptr<int64_t>(), static_cast<size_t>(examples.size())));
  examples.features = features.to(examples.features.scalar_type());
}

void attack(const Experiment& experiment, const Dataset& train, Federation& federation,
            const std::string& source) {
  const auto key = seed_key(experiment);
  federation.attackers = draw_attackers(experiment.attack, std::ssize(federation.clients), key);
  if (train.is_regression()) return;  // only uploads are attacked
  const auto* backdoor = std::get_if<BackdoorAttack>(&experiment.attack);
  if (backdoor != nullptr && train.vocabulary > 0)
    throw InputError(source + ": /attack/kind",
                     "\"backdoor\" stamps pixels, and examples are tokens");
  in_file(source + ": ", [&] {
    for (const int64_t client : federation.attackers)
      change(federation.clients[static_cast<size_t>(client)], [&](auto features, auto labels) {
        poison(experiment.attack, features, train.shape, labels, train.classes, client, key);
      });
  });
  if (backdoor == nullptr) return;
  const auto others = federation.test.labels.ne(backdoor->target).nonzero().squeeze(1);
  federation.stamped_test = Examples{federation.test.features.index_select(0, others),
                                     torch::full({others.size(0)}, backdoor->target, torch::kLong)};
  change(*federation.stamped_test,
         [&](auto features, auto) { stamp(*backdoor, features, train.shape); });
}

// Names of tensors, or of the modules that hold them, as freeze() takes them.
void check_personal(const Experiment& experiment, const StateDict& state,
                    const std::string& source) {
  const auto* fedper = std::get_if<FedPerSpec>(&experiment.strategy);
  if (fedper == nullptr) return;
  const auto names = state.names();
  for (size_t i = 0; i < fedper->personal.size(); ++i) {
    const std::string& wanted = fedper->personal[i];
    const auto matches = [&](const std::string& name) {
      return name == wanted || name.starts_with(wanted + ".");
    };
    if (std::ranges::none_of(names, matches))
      throw InputError(source + ": /strategy/personal/" + std::to_string(i),
                       "the model has no \"" + wanted + "\"" + did_you_mean(wanted, names));
  }
}

// The server's model, which is returned, and those of the devices.
std::shared_ptr<Model> make_models(const Experiment& experiment, const Dataset& train,
                                   Federation& federation, const std::string& source) {
  const auto checked = [&](const ModelSpec& spec, const std::string& pointer) {
    auto factory = factory_of(experiment, spec, train, federation.device, source, pointer);
    const auto model = factory();
    starling::experiment::check_vocabulary(*model, train, source);
    if (is_private(experiment.privacy))
      at_place(source + ": " + pointer, [&] { refuse_cross_example_layers(*model); });
    return std::pair(std::move(factory), model);
  };
  auto [factory, model] = checked(experiment.model, "/model");
  federation.factory = std::move(factory);
  int64_t clients = 0;
  for (size_t i = 0; i < experiment.devices.size(); ++i) {
    const auto& device = experiment.devices[i];
    clients += device.clients;
    auto [make, first] = checked(device.model, "/devices/" + std::to_string(i) + "/model");
    federation.devices.push_back({std::move(make), device.clients, state_of(*first)});
  }
  if (clients > std::ssize(federation.clients))
    throw InputError(source + ": /devices", "are for " + std::to_string(clients) +
                                                " clients, and there are " +
                                                std::to_string(federation.clients.size()));
  return model;
}

void check_cohorts(const Experiment& experiment, const FederationPlan& plan,
                   const std::string& source) {
  size_t largest = 0;
  for (const auto& round : plan.schedule) largest = std::max(largest, round.size());
  const int64_t needed = minimum_updates(experiment.aggregation);
  if (!plan.schedule.empty() && static_cast<int64_t>(largest) < needed)
    throw InputError(source + ": /aggregation",
                     starling::experiment::quoted(to_string(experiment.aggregation)) + " needs " +
                         std::to_string(needed) + " uploads a round, and no round has more than " +
                         std::to_string(largest) + " clients");
}

}  // namespace

Federation set_up(const Experiment& experiment, const RunOptions& options) {
  Federation federation;
  federation.device = experiment::device_for(experiment, options);
  const DatasetInfo info = find_dataset(experiment.dataset.name);
  DataSplit data = experiment::load_data(experiment, info, options.data_folder);
  check_loss(experiment, data.train, options.source);
  if (info.format == DatasetFormat::linear) federation.law = info.law;
  if (private_standardization(experiment.dataset) != nullptr)
    federation.columns = bounded_columns(info.table);
  federation.data_hash = hash_of(data);
  federation.train_examples = data.train.size();

  take_root(experiment, data.train, federation, options.source);
  const Partition partition = deal_out(experiment, data.train, options.source);
  in_file(options.source + ": /", [&] {
    shift_features(experiment.feature_shift, partition, seed_key(experiment), data.train);
  });
  const Examples all = examples_of(data.train, experiment.compute.dtype);
  std::vector<int64_t> sizes;
  for (const auto& indices : partition.clients) {
    federation.clients.push_back(all.at(indices));
    sizes.push_back(static_cast<int64_t>(indices.size()));
  }
  federation.test = examples_of(data.test, experiment.compute.dtype);
  attack(experiment, data.train, federation, options.source);

  const auto model = make_models(experiment, data.train, federation, options.source);
  federation.initial = state_of(*model);
  federation.parameters = trainable_count(*model);
  check_personal(experiment, federation.initial, options.source);
  federation.plan =
      plan_federation(experiment, sizes, options.source, takes_missing(federation.columns));
  check_cohorts(experiment, federation.plan, options.source);
  return federation;
}

}  // namespace starling
