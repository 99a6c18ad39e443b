#include "starling/federated/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "starling/core/error.h"
#include "starling/train/dp_optimizer.h"
#include "starling/train/random_layers.h"

namespace starling {
namespace {

namespace nn = torch::nn;
using ::testing::HasSubstr;

Examples examples() {
  torch::manual_seed(9);
  const auto features = torch::randn({40, 5});
  return {features, features.select(1, 0).gt(0).to(torch::kLong)};
}

ClientTask task_of(const RandomKey& key, int64_t client, int64_t round, bool is_private) {
  ClientTask task;
  task.round = round;
  task.key = key;
  task.local.steps = 3;
  task.local.batch_size = 40;
  task.local.sampling = SamplingKind::fixed;
  if (!is_private) return task;
  const auto privacy = plan({.batch_size = 40, .clip_norm = 1.0, .noise_multiplier = 1.0}, 40);
  task.privacy = ExampleLevel{privacy, ledger_entry(privacy, task.local.steps, client, round)};
  return task;
}

// Remembers the mean of what it saw, as a running statistic does.
struct Remembering : Model {
  nn::Linear layer{5, 2};
  torch::Tensor mean = register_buffer("mean", torch::zeros({5}));
  Remembering() { register_module("layer", layer); }
  torch::Tensor forward(torch::Tensor input) override {
    mean.copy_(input.detach().mean(0));
    return layer->forward(input);
  }
};

TEST(Client, RefusesToUploadABufferThatPrivateTrainingChanged) {
  const auto made = std::make_shared<Remembering>();
  Remembering& model = *made;
  const Client client(0, examples());
  const auto global = state_of(model);
  EXPECT_NO_THROW(client.train(model, global, task_of(RandomKey::from_seed(1), 0, 0, false)));
  try {
    client.train(model, global, task_of(RandomKey::from_seed(1), 0, 0, true));
    FAIL() << "uploaded";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("\"mean\" changed"));
  }
}

torch::Tensor mask_of(const StreamOwner& owner) {
  seed_random_layers(owner);
  return torch::dropout(torch::ones({20000}), 0.5, /*train=*/true);
}

TEST(RandomLayers, MasksFollowFromTheSecretKeyNotFromTheSeedOfTheProcess) {
  const auto key = RandomKey::from_seed(4), other = RandomKey::from_seed(5);
  torch::manual_seed(1);
  torch::randn({7});
  const auto mask = mask_of({key, 2, 3});
  torch::manual_seed(2);
  EXPECT_TRUE(torch::equal(mask, mask_of({key, 2, 3})));
  EXPECT_NEAR(mask.mean().item<double>(), 1.0, 5 / std::sqrt(20000.0));
  for (const auto& owner : {StreamOwner{other, 2, 3}, {key, 1, 3}, {key, 2, 4}}) {
    const auto pair = torch::stack({mask, mask_of(owner)});
    EXPECT_LT(std::abs(torch::corrcoef(pair)[0][1].item<double>()), 5 / std::sqrt(20000.0));
  }
}

// Dropout draws from the client's stream whatever was drawn before.
TEST(Client, DropoutIsRepeatableGivenTheKey) {
  torch::manual_seed(3);
  auto model = as_model(nn::Sequential(nn::Linear(5, 8), nn::Dropout(0.5), nn::Linear(8, 2)));
  const auto global = state_of(*model);
  const Client client(0, examples());
  const auto upload = [&](uint64_t seed, uint64_t process) {
    torch::manual_seed(process);
    return client.train(*model, global, task_of(RandomKey::from_seed(seed), 0, 0, false))
        .state.tensors[0]
        .value.clone();
  };
  EXPECT_TRUE(torch::equal(upload(1, 10), upload(1, 11)));
  EXPECT_FALSE(torch::equal(upload(1, 10), upload(2, 10)));
}

}  // namespace
}  // namespace starling
