#include "experiment/standardize.h"

#include <ATen/ATen.h>

#include "starling/core/error.h"
#include "starling/privacy/event_json.h"

namespace starling::experiment {
namespace {

void check_paid(const ColumnSumsPlan& plan, const std::map<int64_t, LedgerEntry>& paid,
                int64_t client) {
  const auto line = paid.find(client);
  if (line == paid.end() || line->second.client != client || line->second.count != 1 ||
      line->second.relation != plan.relation ||
      to_json(line->second.event) != to_json(plan.event()))
    throw Error("the ledger has no line of the column sums of client " + std::to_string(client));
}

// [n, columns] on float32.
torch::Tensor numbers_of(const std::vector<NumberColumn>& columns, const torch::Tensor& features) {
  std::vector<torch::Tensor> numbers;
  for (const auto& column : columns) numbers.push_back(features.select(1, column.feature));
  return at::stack(numbers, 1).to(torch::kFloat).contiguous();
}

std::vector<double> release(const Federation& federation, int64_t client, const RandomKey& key) {
  const auto& features = federation.clients[static_cast<size_t>(client)].features;
  const auto numbers = numbers_of(federation.columns, features);
  const RandomKey own = key.derive("client " + std::to_string(client)).derive("standardization");
  return release_column_sums(*federation.plan.standardization,
                             {numbers.data_ptr<float>(), static_cast<size_t>(numbers.numel())},
                             RandomStream(own, {Purpose::noise, client}));
}

void apply(const std::vector<NumberColumn>& columns, const std::vector<ColumnMoments>& moments,
           torch::Tensor& features) {
  for (size_t i = 0; i < columns.size(); ++i) {
    auto place = features.select(1, columns[i].feature);
    place.sub_(moments[i].mean).div_(moments[i].deviation).nan_to_num_(0.0);
  }
}

}  // namespace

std::vector<ColumnRecord> standardize(Federation& federation,
                                      const std::map<int64_t, LedgerEntry>& paid,
                                      const RandomKey& key) {
  if (!federation.plan.standardization) return {};
  const ColumnSumsPlan& plan = *federation.plan.standardization;
  const auto clients = std::ssize(federation.clients);
  for (int64_t client = 0; client < clients; ++client) check_paid(plan, paid, client);
  std::vector<std::vector<double>> releases;
  int64_t records = 0;
  for (int64_t client = 0; client < clients; ++client) {
    releases.push_back(release(federation, client, key));
    records += federation.clients[static_cast<size_t>(client)].size();
  }
  const auto moments = column_moments(plan, releases, records);

  for (auto& client : federation.clients) apply(federation.columns, moments, client.features);
  apply(federation.columns, moments, federation.test.features);
  if (federation.stamped_test)
    apply(federation.columns, moments, federation.stamped_test->features);
  if (federation.root) apply(federation.columns, moments, federation.root->features);
  if (federation.public_examples.features.defined())
    apply(federation.columns, moments, federation.public_examples.features);

  std::vector<ColumnRecord> columns;
  for (size_t i = 0; i < moments.size(); ++i) {
    const ColumnBounds& bounds = federation.columns[i].bounds;
    columns.push_back({federation.columns[i].name,
                       bounds.middle() + moments[i].mean * bounds.half(),
                       moments[i].deviation * bounds.half()});
  }
  return columns;
}

}  // namespace starling::experiment
