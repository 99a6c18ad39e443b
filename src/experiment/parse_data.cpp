#include "experiment/parts.h"
#include "experiment/words.h"
#include "starling/privacy/column_sums.h"

namespace starling::experiment {
namespace {

constexpr int64_t kMostClients = 10'000'000;

std::vector<double> one_or_several(JsonObject& object, const std::string& key, Interval allowed) {
  if (object.raw(key).is_array()) return object.numbers(key, allowed);
  return {object.number(key, allowed)};
}

int64_t clients(JsonObject& object) { return object.integer("clients", 1, kMostClients, 10); }

enum class Kind { iid, dirichlet, inner_dirichlet, shards, labels, quantity, natural };
const Words<Kind> kKinds = {{"iid", Kind::iid},
                            {"dirichlet", Kind::dirichlet},
                            {"inner_dirichlet", Kind::inner_dirichlet},
                            {"shards", Kind::shards},
                            {"labels", Kind::labels},
                            {"quantity", Kind::quantity},
                            {"natural", Kind::natural}};

NaturalPartition natural(JsonObject& object) {
  NaturalPartition partition{.by = object.string("by", "writer")};
  if (partition.by.empty())
    object.fail("by", "is empty; say \"writer\", or name the column of a table");
  return partition;
}

PartitionSpec read_kind(JsonObject& object) {
  switch (object.choice("kind", kKinds, Kind::iid)) {
    case Kind::iid:
      return IidPartition{.clients = clients(object)};
    case Kind::dirichlet:
      return DirichletPartition{.clients = clients(object),
                                .alpha = object.number("alpha", kPositive),
                                .min_size = object.integer("min_size", 1, kMany, 10)};
    case Kind::inner_dirichlet:
      return InnerDirichletPartition{.clients = clients(object),
                                     .alpha = object.number("alpha", kPositive)};
    case Kind::shards:
      return ShardsPartition{.clients = clients(object),
                             .shards_per_client = object.integer("shards_per_client", 1, kMany, 2)};
    case Kind::labels:
      return LabelsPartition{.clients = clients(object),
                             .labels_per_client = object.integer("labels_per_client", 1, kMany)};
    case Kind::quantity:
      return QuantityPartition{.clients = clients(object),
                               .law = object.choice("law", kQuantityLaws)};
    case Kind::natural:
      return natural(object);
  }
  return IidPartition{};
}

enum class Shift { none, rotation, noise };
const Words<Shift> kShifts = {
    {"none", Shift::none}, {"rotation", Shift::rotation}, {"noise", Shift::noise}};
constexpr Interval kTurn{-360.0, 360.0, false, false};

FeatureShift read_shift(JsonObject& object) {
  switch (object.choice("kind", kShifts, Shift::none)) {
    case Shift::none:
      return NoShift{};
    case Shift::rotation:
      return RotationShift{.degrees = object.number("degrees", kTurn, 45.0)};
    case Shift::noise:
      return NoiseShift{.sigma = object.number("sigma", kPositive, 0.1)};
  }
  return NoShift{};
}

enum class Constants { known, released };
const Words<Constants> kStandardizations = {{"public", Constants::known},
                                            {"private", Constants::released}};
constexpr Interval kColumnNoise{ColumnSumsPlan::kLeastNoise, ColumnSumsPlan::kMostNoise, false,
                                false};

void read_standardization(JsonObject object, DatasetSpec& dataset) {
  if (object.choice("kind", kStandardizations, Constants::known) == Constants::released) {
    PrivateStandardization released;
    released.noise_multiplier =
        object.number("noise_multiplier", kColumnNoise, released.noise_multiplier);
    dataset.standardization = released;
  }
  object.finish();
}

}  // namespace

FeatureShift parse_feature_shift(JsonObject object) {
  FeatureShift shift = read_shift(object);
  object.finish();
  return shift;
}

DatasetSpec parse_dataset(JsonObject object) {
  DatasetSpec dataset;
  dataset.name = object.string("name", dataset.name);
  if (dataset.name.empty()) object.fail("name", "is empty; `starling data list` shows the names");
  dataset.train_limit = object.optional_integer("train_limit", 1, kLargest);
  dataset.test_limit = object.optional_integer("test_limit", 1, kLargest);
  if (object.has("mean")) dataset.mean = one_or_several(object, "mean", {});
  if (object.has("std")) dataset.std = one_or_several(object, "std", kPositive);
  if (dataset.mean.has_value() != dataset.std.has_value())
    object.fail(dataset.mean ? "mean" : "std", "is given alone; give mean and std, or neither");
  if (dataset.mean && dataset.mean->size() != dataset.std->size())
    object.fail("std", "has " + std::to_string(dataset.std->size()) + " values and mean has " +
                           std::to_string(dataset.mean->size()));
  if (dataset.mean && dataset.mean->empty()) object.fail("mean", "is empty");
  read_standardization(object.object_or_empty("standardization"), dataset);
  object.finish();
  return dataset;
}

PartitionSpec parse_partition(JsonObject object) {
  PartitionSpec partition = read_kind(object);
  object.finish();
  return partition;
}

ModelSpec parse_model(JsonObject object) {
  ModelSpec model;
  const bool has_file = object.has("file");
  const bool has_layers = object.has("layers");
  if (has_file == has_layers)
    object.fail("", has_file ? "\"file\" and \"layers\" are both given; give one of them"
                             : "\"file\" is missing; give a path in models/, or \"layers\"");
  if (has_file) {
    model.file = object.string("file");
    if (model.file.empty()) object.fail("file", "is empty");
  } else {
    if (object.objects("layers").empty()) object.fail("layers", "is empty");
    model.layers = object.raw("layers");
  }
  if (object.has("initial")) model.initial = object.string("initial");
  if (model.initial && model.initial->empty()) object.fail("initial", "is empty");
  if (object.has("freeze")) model.freeze = object.strings("freeze");
  for (size_t i = 0; i < model.freeze.size(); ++i)
    if (model.freeze[i].empty())
      object.fail("freeze", "holds an empty name at " + std::to_string(i));
  model.replace_batch_norm = object.boolean("replace_batch_norm", false);
  object.finish();
  return model;
}

DeviceClass parse_device(JsonObject object) {
  DeviceClass device;
  device.clients = object.integer("clients", 1, kMany, device.clients);
  device.model = parse_model(object.object("model"));
  object.finish();
  return device;
}

LossSpec parse_loss(JsonObject object) {
  LossSpec loss;
  loss.kind = object.choice("kind", kLossKinds, loss.kind);
  object.finish();
  return loss;
}

}  // namespace starling::experiment
