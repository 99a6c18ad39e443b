// Data of one's own, here measurements in CSV: read into a Dataset, dealt out to clients with
// skewed labels, and trained on by federated averaging.
#include <starling/core/error.h>
#include <starling/data/partition.h>
#include <starling/federated/simulation.h>
#include <torch/torch.h>

#include <cstdio>
#include <numeric>
#include <sstream>

namespace {

namespace nn = torch::nn;

constexpr int64_t kClients = 8, kRounds = 10, kFeatures = 4, kClasses = 3;

// "0.5,-1.25,3,0.75,2": four features, then the label.
starling::Dataset read_csv(std::istream& rows, const std::string& name) {
  starling::Dataset data;
  data.name = name;
  data.shape = {kFeatures};
  data.classes = kClasses;
  for (std::string row; std::getline(rows, row);) {
    std::istringstream cells(row);
    std::string cell;
    for (int64_t i = 0; i < kFeatures && std::getline(cells, cell, ','); ++i)
      data.features.push_back(std::stof(cell));
    data.labels.push_back(std::getline(cells, cell) ? std::stoll(cell) : -1);
    if (data.labels.back() < 0 || data.labels.back() >= kClasses)
      throw starling::InputError(name + ": not four features and a label: " + row);
  }
  return data;
}

// Stands for a file: a cloud of points a class.
std::stringstream measurements(int64_t rows, starling::RandomStream& stream) {
  std::stringstream csv;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t label = stream.below(kClasses);
    for (int64_t i = 0; i < kFeatures; ++i)
      csv << stream.normal() + (i == label ? 3.0 : 0.0) << ',';
    csv << label << '\n';
  }
  return csv;
}

// Tensors of their own, for all examples of a set.
starling::Examples to_examples(starling::Dataset& data) {
  const auto features = torch::from_blob(data.features.data(), {data.size(), kFeatures});
  return {features.clone(), torch::tensor(data.labels, torch::kLong)};
}

std::shared_ptr<starling::Model> make_model() {
  torch::manual_seed(1);
  return starling::as_model(
      nn::Sequential(nn::Linear(kFeatures, 16), nn::ReLU(), nn::Linear(16, kClasses)));
}

}  // namespace

int main() {
  const auto key = starling::RandomKey::from_seed(1);
  starling::RandomStream points(key, {starling::Purpose::data});
  auto csv = measurements(2400, points), test_csv = measurements(600, points);
  auto train = read_csv(csv, "train.csv"), test = read_csv(test_csv, "test.csv");

  starling::RandomStream dealer(key, {starling::Purpose::partition});
  const auto partition = starling::partition_dirichlet(train.labels, kClients, 0.5, 20, dealer);
  const auto examples = to_examples(train);
  std::vector<starling::Client> clients;
  for (int64_t id = 0; id < kClients; ++id)
    clients.emplace_back(id, examples.at(partition.clients[id]));

  starling::Simulation simulation(make_model, std::move(clients), 1, 1);
  starling::ServerOptions options;
  options.population = kClients;
  options.total_weight = partition.examples();
  starling::Server server(starling::state_of(*make_model()), starling::fedavg({}), options);
  std::vector<int64_t> everyone(kClients);
  std::iota(everyone.begin(), everyone.end(), int64_t{0});
  starling::ClientTask task;
  task.key = key;
  task.local.steps = 10;
  for (; task.round < kRounds; ++task.round)
    simulation.round(
        server, task.round, everyone, [&](int64_t) { return task; }, key);

  const double accuracy = simulation.evaluate(server.global(), to_examples(test), 600).accuracy();
  std::printf("%lld examples at %lld clients: test accuracy %.3f\n",
              static_cast<long long>(partition.examples()), static_cast<long long>(kClients),
              accuracy);
  return partition.examples() == train.size() && accuracy > 0.9 ? 0 : 1;
}
