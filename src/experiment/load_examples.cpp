#include "experiment/load_examples.h"

#include <ATen/ATen.h>

#include "starling/core/error.h"

namespace starling::experiment {

torch::ScalarType scalar_type(DType dtype) {
  return dtype == DType::float64 ? torch::kDouble : torch::kFloat;
}

DataSplit load_data(const Experiment& experiment, const DatasetInfo& info,
                    const std::string& folder) {
  const auto& spec = experiment.dataset;
  LoadOptions wanted;
  wanted.folder = folder;
  wanted.train_limit = spec.train_limit;
  wanted.test_limit = spec.test_limit;
  wanted.mean = spec.mean;
  wanted.std = spec.std;
  wanted.seed = static_cast<uint64_t>(experiment.seed);
  if (const auto* natural = std::get_if<NaturalPartition>(&experiment.partition))
    wanted.owners = natural->by;
  if (private_standardization(spec) == nullptr) return load_dataset(info, wanted);
  if (info.format != DatasetFormat::csv)
    throw InputError(
        "dataset " + info.name,
        "is no table, and dataset/standardization \"private\" is of the columns of one");
  DatasetInfo scaled = info;
  scaled.table.scale_to_bounds = true;
  return load_dataset(scaled, wanted);
}

Examples examples_of(const Dataset& data, DType dtype) {
  std::vector<int64_t> shape{data.size()};
  shape.insert(shape.end(), data.shape.begin(), data.shape.end());
  Examples all;
  all.features = torch::from_blob(const_cast<float*>(data.features.data()), shape, torch::kFloat)
                     .to(scalar_type(dtype), /*non_blocking=*/false, /*copy=*/true);
  all.labels = data.is_regression() ? torch::tensor(data.targets, scalar_type(dtype))
                                    : torch::tensor(data.labels, torch::kLong);
  return all;
}

}  // namespace starling::experiment
