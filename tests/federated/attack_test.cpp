#include "starling/federated/attack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "starling/core/error.h"

namespace starling {
namespace {

const RandomKey kKey = RandomKey::from_seed(3);

TEST(Attackers, AreTheRoundedShareAndTheSameAgain) {
  const AttackSpec spec = SignFlipAttack{.clients = 0.26};
  const auto attackers = draw_attackers(spec, 50, kKey);
  EXPECT_EQ(attackers.size(), 13u);
  EXPECT_EQ(std::set<int64_t>(attackers.begin(), attackers.end()).size(), 13u);
  EXPECT_TRUE(std::ranges::is_sorted(attackers));
  EXPECT_EQ(attackers, draw_attackers(spec, 50, kKey));
  EXPECT_NE(attackers, draw_attackers(spec, 50, RandomKey::from_seed(4)));
  EXPECT_TRUE(draw_attackers(NoAttack{}, 50, kKey).empty());
  EXPECT_EQ(draw_attackers(GaussianAttack{.clients = 1.0}, 4, kKey),
            (std::vector<int64_t>{0, 1, 2, 3}));
}

std::vector<int64_t> flipped(const LabelFlipAttack& spec, std::vector<int64_t> labels) {
  std::vector<float> features(labels.size(), 0.5F);
  poison(spec, features, {1}, labels, 4, 0, kKey);
  EXPECT_EQ(features, std::vector<float>(labels.size(), 0.5F));
  return labels;
}

TEST(LabelFlip, MapsEachLabelToTheLastLessIt) {
  EXPECT_EQ(flipped({}, {0, 1, 2, 3, 0}), (std::vector<int64_t>{3, 2, 1, 0, 3}));
}

TEST(LabelFlip, MapsOneLabelToAnother) {
  EXPECT_EQ(flipped({.from = 1, .to = 3}, {0, 1, 2, 3, 1}), (std::vector<int64_t>{0, 3, 2, 3, 3}));
  EXPECT_THROW(flipped({.from = 1, .to = 4}, {0}), InputError);
  EXPECT_THROW(flipped({.from = 4, .to = 1}, {0}), InputError);
}

TEST(SignFlip, IsTheOppositeTimesTheScale) {
  std::vector<double> update = {1, -2, 0.5};
  attack_update(SignFlipAttack{.scale = 3}, update, 0, 0, kKey);
  EXPECT_EQ(update, (std::vector<double>{-3, 6, -1.5}));
}

TEST(Gaussian, ForgetsTheUpdateAndDiffersByClientAndRound) {
  const GaussianAttack spec{.std = 2};
  std::vector<double> noise(20000, 1e9), again(20000, -5), other_round(20000), other_client(20000);
  attack_update(spec, noise, 1, 2, kKey);
  attack_update(spec, again, 1, 2, kKey);
  attack_update(spec, other_round, 1, 3, kKey);
  attack_update(spec, other_client, 2, 2, kKey);
  EXPECT_EQ(noise, again);
  EXPECT_NE(noise, other_round);
  EXPECT_NE(noise, other_client);
  const double mean = std::accumulate(noise.begin(), noise.end(), 0.0) / 20000;
  double square = 0;
  for (const double value : noise) square += value * value / 20000;
  EXPECT_LT(std::abs(mean), 6 * 2 / std::sqrt(20000.0));
  EXPECT_NEAR(square, 4, 6 * 4 * std::sqrt(2 / 20000.0));
}

TEST(Attacks, OnDataLeaveUpdatesAloneAndConversely) {
  std::vector<double> update = {1, 2};
  attack_update(LabelFlipAttack{}, update, 0, 0, kKey);
  attack_update(NoAttack{}, update, 0, 0, kKey);
  EXPECT_EQ(update, (std::vector<double>{1, 2}));
  std::vector<float> features = {1, 2};
  std::vector<int64_t> labels = {0, 1};
  for (const AttackSpec& spec :
       std::vector<AttackSpec>{NoAttack{}, SignFlipAttack{}, GaussianAttack{}})
    poison(spec, features, {1}, labels, 2, 0, kKey);
  EXPECT_EQ(labels, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(features, (std::vector<float>{1, 2}));
}

TEST(Backdoor, StampsTheLowerRightCornerOfEveryChannel) {
  const BackdoorAttack spec{.size = 2, .value = 7};
  std::vector<float> features(2 * 3 * 4);
  stamp(spec, features, {2, 3, 4});
  const std::vector<float> channel = {0, 0, 0, 0, 0, 0, 7, 7, 0, 0, 7, 7};
  std::vector<float> expected = channel;
  expected.insert(expected.end(), channel.begin(), channel.end());
  EXPECT_EQ(features, expected);
}

TEST(Backdoor, StampsTheEndOfARow) {
  std::vector<float> features(10);
  stamp({.size = 2, .value = 1}, features, {5});
  EXPECT_EQ(features, (std::vector<float>{0, 0, 0, 1, 1, 0, 0, 0, 1, 1}));
}

TEST(Backdoor, PoisonsItsShareOfTheExamples) {
  const BackdoorAttack spec{.target = 2, .size = 1, .value = 9, .poisoned = 0.3};
  std::vector<float> features(20 * 4);
  std::vector<int64_t> labels(20, 0);
  poison(spec, features, {1, 2, 2}, labels, 3, 5, kKey);
  int64_t stamped = 0;
  for (size_t k = 0; k < 20; ++k) {
    EXPECT_EQ(features[4 * k + 3] == 9.0F, labels[k] == 2) << k;
    EXPECT_EQ(features[4 * k], 0.0F);
    stamped += labels[k] == 2;
  }
  EXPECT_EQ(stamped, 6);
  std::vector<double> update = {1, -1};
  attack_update(BackdoorAttack{.scale = 10}, update, 0, 0, kKey);
  EXPECT_EQ(update, (std::vector<double>{10, -10}));
}

TEST(Backdoor, RefusesWhatDoesNotFit) {
  std::vector<float> features(8);
  std::vector<int64_t> labels = {0, 1};
  EXPECT_THROW(poison(BackdoorAttack{.target = 2}, features, {4}, labels, 2, 0, kKey), InputError);
  EXPECT_THROW(poison(BackdoorAttack{.size = 3}, features, {1, 2, 2}, labels, 2, 0, kKey),
               InputError);
  EXPECT_THROW(stamp({.size = 5}, features, {4}), InputError);
}

TEST(Backdoor, SuccessCountsOtherClassesOnly) {
  const std::vector<int64_t> labels = {0, 1, 1, 2, 0}, predictions = {0, 0, 1, 0, 1};
  const auto success = count_success({.target = 0}, labels, predictions);
  EXPECT_EQ(success.examples, 3);
  EXPECT_EQ(success.hits, 2);
  EXPECT_EQ(success.rate(), 2.0 / 3.0);
  EXPECT_EQ(count_success({.target = 0}, {}, {}).rate(), 0.0);
  EXPECT_THROW(count_success({}, labels, {}), Error);
}

}  // namespace
}  // namespace starling
