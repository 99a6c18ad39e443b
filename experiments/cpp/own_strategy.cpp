// A strategy of one's own: clients upload the direction of their update, and the server steps along
// the mean direction with momentum. A client with a broken sensor then counts no more than others,
// while it decides the mean of federated averaging.
#include <starling/federated/simulation.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <numeric>

namespace {

namespace nn = torch::nn;

constexpr int64_t kClients = 10, kExamples = 100, kRounds = 15;

class MeanDirection final : public starling::Strategy {
 public:
  explicit MeanDirection(double step) : Strategy(starling::Weighting::uniform), step_(step) {}
  std::string name() const override { return "mean-direction"; }

  // At a client.
  void upload(const starling::LocalResult& result, starling::ClientMemory&,
              std::span<double> upload) const override {
    const auto& update = result.update;
    const double norm =
        std::sqrt(std::inner_product(update.begin(), update.end(), update.begin(), 0.0));
    for (size_t i = 0; i < update.size(); ++i) upload[i] = norm > 0.0 ? update[i] / norm : 0.0;
  }

  // At the server.
  void apply(std::span<double> global, const starling::MeanUpload& mean) override {
    velocity_.resize(global.size(), 0.0);
    for (size_t i = 0; i < global.size(); ++i) {
      velocity_[i] = 0.5 * velocity_[i] + mean.values[i];
      global[i] += step_ * velocity_[i];
    }
  }
  // What a checkpoint has to hold.
  starling::ServerSlots slots() override { return {{"velocity", &velocity_}}; }

 private:
  double step_;
  std::vector<double> velocity_;
};

std::shared_ptr<starling::Model> make_model() {
  torch::manual_seed(1);
  return starling::as_model(nn::Sequential(nn::Linear(8, 2)));
}

starling::Examples draw(int64_t examples) {
  const auto features = torch::randn({examples, 8});
  const auto labels = (features.select(1, 0) + features.select(1, 1)).gt(0.0).to(torch::kLong);
  return {features, labels};
}

double accuracy_of(std::unique_ptr<starling::Strategy> strategy) {
  torch::manual_seed(2);
  std::vector<starling::Client> clients;
  for (int64_t id = 0; id < kClients; ++id) clients.emplace_back(id, draw(kExamples));
  const auto broken = draw(kExamples);
  clients.back() = {kClients - 1, {-50.0 * broken.features, broken.labels}};

  starling::Simulation simulation(make_model, std::move(clients), 1, 1);
  starling::ServerOptions options;
  options.population = kClients;
  options.total_weight = kClients * kExamples;
  starling::Server server(starling::state_of(*make_model()), std::move(strategy), options);
  std::vector<int64_t> everyone(kClients);
  std::iota(everyone.begin(), everyone.end(), int64_t{0});
  starling::ClientTask task;
  task.key = starling::RandomKey::from_seed(3);
  task.local.steps = 5;
  for (; task.round < kRounds; ++task.round)
    simulation.round(
        server, task.round, everyone, [&](int64_t) { return task; }, task.key);
  return simulation.evaluate(server.global(), draw(1000), 1000).accuracy();
}

}  // namespace

int main() {
  const double averaged = accuracy_of(starling::fedavg({}));
  const double directed = accuracy_of(std::make_unique<MeanDirection>(0.3));
  std::printf("one client of ten is broken: accuracy %.3f by fedavg, %.3f by mean-direction\n",
              averaged, directed);
  return directed > 0.9 && directed > averaged + 0.1 ? 0 : 1;
}
