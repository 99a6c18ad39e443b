#include <ATen/ATen.h>

#include "experiment/parts.h"
#include "starling/core/error.h"
#include "starling/core/hash.h"
#include "starling/data/catalogue.h"
#include "starling/data/partition.h"
#include "starling/experiment/run.h"
#include "starling/train/dp_optimizer.h"

namespace starling {
namespace {

torch::ScalarType scalar_type(DType dtype) {
  return dtype == DType::float64 ? torch::kDouble : torch::kFloat;
}

DataSplit load_data(const Experiment& experiment, const RunOptions& options) {
  const auto& spec = experiment.dataset;
  LoadOptions wanted;
  wanted.folder = options.data_folder;
  wanted.train_limit = spec.train_limit;
  wanted.test_limit = spec.test_limit;
  wanted.mean = spec.mean;
  wanted.std = spec.std;
  wanted.seed = static_cast<uint64_t>(experiment.seed);
  wanted.writers = std::holds_alternative<NaturalPartition>(experiment.partition);
  return load_dataset(spec.name, wanted);
}

// The partition's complaints begin with "partition/...": a pointer into the file.
Partition deal_out(const Experiment& experiment, const Dataset& train, const std::string& source) {
  RandomStream dealing(RandomKey::from_seed(static_cast<uint64_t>(experiment.seed)),
                       {Purpose::partition});
  try {
    return make_partition(experiment.partition, train, dealing);
  } catch (const InputError& problem) {
    throw InputError(source + ": /" + problem.what());
  }
}

void shift(const Experiment& experiment, const Partition& partition, Dataset& train,
           const std::string& source) {
  try {
    shift_features(experiment.feature_shift, partition,
                   RandomKey::from_seed(static_cast<uint64_t>(experiment.seed)), train);
  } catch (const InputError& problem) {
    throw InputError(source + ": /" + problem.what());
  }
}

Examples examples_of(const Dataset& data, DType dtype) {
  std::vector<int64_t> shape{data.size()};
  shape.insert(shape.end(), data.shape.begin(), data.shape.end());
  Examples all;
  all.features = torch::from_blob(const_cast<float*>(data.features.data()), shape, torch::kFloat)
                     .to(scalar_type(dtype), /*non_blocking=*/false, /*copy=*/true);
  all.labels = torch::tensor(data.labels, torch::kLong);
  return all;
}

template <class Value>
std::string_view bytes_of(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

std::string hash_of(const DataSplit& data) {
  std::string hashes;
  for (const Dataset* part : {&data.train, &data.test})
    hashes += sha256_hex(bytes_of(part->features)) + sha256_hex(bytes_of(part->labels));
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

// Replicas differ in nothing: every one starts from the same seed, file and frozen layers.
ModelFactory factory_of(const Experiment& experiment, const Dataset& train,
                        const std::string& source) {
  const auto description = describe_model(experiment.model, source);
  const auto make = model_from_json(description.json, description.source, train.shape,
                                    train.classes, description.pointer);
  RandomStream weights(RandomKey::from_seed(static_cast<uint64_t>(experiment.seed)),
                       {Purpose::initial_weights});
  const uint64_t seed = weights.next();
  return [make, seed, model = experiment.model, dtype = experiment.compute.dtype,
          place = source + ": /model/freeze"] {
    torch::manual_seed(seed);
    auto made = make();
    if (model.initial) load_initial(*made, *model.initial);
    at_place(place, [&] { freeze(*made, model.freeze); });
    made->to(scalar_type(dtype));
    return made;
  };
}

int64_t trainable_count(const torch::nn::Module& model) {
  int64_t count = 0;
  for (const auto& parameter : model.parameters())
    if (parameter.requires_grad()) count += parameter.numel();
  return count;
}

}  // namespace

Federation set_up(const Experiment& experiment, const RunOptions& options) {
  experiment::refuse_not_carried_out(experiment, options.source);
  DataSplit data = load_data(experiment, options);
  Federation federation;
  federation.data_hash = hash_of(data);
  federation.train_examples = data.train.size();

  const Partition partition = deal_out(experiment, data.train, options.source);
  shift(experiment, partition, data.train, options.source);
  const Examples all = examples_of(data.train, experiment.compute.dtype);
  std::vector<int64_t> sizes;
  for (const auto& indices : partition.clients) {
    federation.clients.push_back(all.at(indices));
    sizes.push_back(static_cast<int64_t>(indices.size()));
  }
  federation.test = examples_of(data.test, experiment.compute.dtype);

  federation.factory = factory_of(experiment, data.train, options.source);
  const auto model = federation.factory();
  if (is_private(experiment.privacy))
    at_place(options.source + ": /model", [&] { refuse_cross_example_layers(*model); });
  federation.initial = state_of(*model);
  federation.parameters = trainable_count(*model);
  federation.plan = plan_federation(experiment, sizes, options.source);
  return federation;
}

}  // namespace starling
