// A federation whose clients train in a loop of one's own: regression under a robust loss, with
// example-level privacy. Server, checks of uploads, DP-SGD and ledger are Starling's.
#include <starling/federated/collector.h>
#include <starling/privacy/accountant.h>
#include <starling/train/dp_optimizer.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdio>

namespace {

namespace nn = torch::nn;

constexpr int64_t kClients = 5, kExamples = 1000, kRounds = 6, kSteps = 20;

nn::Sequential make_model() {
  return nn::Sequential(nn::Linear(3, 16), nn::Tanh(), nn::Linear(16, 1));
}

// y = x_0 + sin(2 x_1) with some gross errors among the training targets.
starling::Examples draw(int64_t examples, double gross_errors) {
  const auto x = torch::randn({examples, 3});
  const auto y = x.select(1, 0) + torch::sin(2.0 * x.select(1, 1));
  return {x, y + 30.0 * torch::rand({examples}).lt(gross_errors).to(torch::kFloat)};
}

// The loop: any code that leaves a trained state. The line of `ledger` comes before the noise.
starling::ClientUpdate train(int64_t client, const starling::Examples& data,
                             const starling::Server& server, int64_t round,
                             starling::PrivacyLedger& ledger, const starling::RandomKey& key) {
  auto model = make_model();
  starling::load_state(*model, server.global());
  torch::optim::Adam adam(model->parameters(), torch::optim::AdamOptions(0.02));
  const auto plan =
      starling::plan({.batch_size = 100, .clip_norm = 1.0, .noise_multiplier = 1.0}, data.size());
  const auto line = starling::ledger_entry(plan, kSteps, client, round);
  ledger.record(line);
  const starling::StreamOwner owner{key, client, round};
  starling::DpOptimizer dp(*model, adam, plan, line, kSteps, owner);
  starling::BatchSampler batches(plan.sampling, data.size(), 0, plan.sample_rate, owner);
  for (int64_t step = 0; step < kSteps; ++step) {
    const auto batch = data.at(batches.batch(step));
    dp.backward(nn::functional::smooth_l1_loss(
        model->forward(batch.features).squeeze(1), batch.labels,
        nn::functional::SmoothL1LossFuncOptions().reduction(torch::kNone)));
    dp.step();
  }
  return {.client = client,
          .round = round,
          .examples = data.size(),
          .state = starling::state_of(*model),
          .metrics = {.steps = kSteps}};
}

}  // namespace

int main() {
  torch::manual_seed(1);
  std::vector<starling::Examples> clients;
  for (int64_t i = 0; i < kClients; ++i) clients.push_back(draw(kExamples, 0.03));

  starling::ServerOptions options;
  options.population = kClients;
  options.total_weight = kClients * kExamples;
  starling::Server server(starling::state_of(*make_model()), starling::fedavg({}), options);
  std::vector<starling::ClientState> states(kClients);
  starling::PrivacyLedger ledger;
  const auto key = starling::RandomKey::from_system();
  int64_t rejected = 0;
  for (int64_t round = 0; round < kRounds; ++round) {
    starling::Collector uploads(server, round);
    for (int64_t i = 0; i < kClients; ++i)
      uploads.add(train(i, clients[i], server, round, ledger, key), states[i]);
    rejected += uploads.rejected();
    server.finish(uploads, key);
  }

  double epsilon = 0.0;  // clients hold different people: the largest is the federation's
  for (const auto& [client, spent] : ledger.compositions(starling::Unit::example))
    epsilon = std::max(
        epsilon,
        starling::make_accountant("exact")->epsilon(spent.events, spent.relation, 1e-5).epsilon);
  auto model = make_model();
  starling::load_state(*model, server.global());
  torch::NoGradGuard no_grad;
  const auto test = draw(2000, 0.0);
  const auto residual = model->forward(test.features).squeeze(1) - test.labels;
  const double explained = 1.0 - (residual.square().mean() / test.labels.var()).item<double>();
  std::printf("%.0f %% of the variance explained at epsilon %.2f, delta 1e-5\n", 100.0 * explained,
              epsilon);
  return rejected == 0 && explained > 0.75 && epsilon > 0.0 && epsilon < 10.0 ? 0 : 1;
}
