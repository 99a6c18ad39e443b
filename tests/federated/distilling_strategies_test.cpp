// Strategies that exchange answers on a public set; what is learned from them: public_set_test.

#include <gtest/gtest.h>

#include "federated/by_hand.h"

namespace starling {
namespace {

using test::Vector;

// An upload is the update and then the answers: one mean for the model, one for the public set.
TEST(FedDf, AveragesModelsAndAnswersButSendsModelsOnly) {
  const auto strategy = make_strategy(FedDfSpec{.temperature = 2.0, .distillation = {}}, 3);
  EXPECT_EQ(strategy->upload_size(2), 5);
  EXPECT_EQ(strategy->sent_size(2), 2);
  EXPECT_EQ(strategy->download_size(2), 2);
  EXPECT_EQ(strategy->weight(30), 30);
  EXPECT_EQ(strategy->distilling()->student_temperature, 2.0);
  EXPECT_FALSE(strategy->distilling()->at_clients);
  EXPECT_TRUE(strategy->consensus().empty());

  const Vector update = {1, -2}, answers = {5, 6, 7};
  LocalResult result;
  result.update = update;
  result.answers = answers;
  ClientMemory memory;
  Vector upload(5);
  strategy->upload(result, memory, upload);
  EXPECT_EQ(upload, (Vector{1, -2, 5, 6, 7}));

  Vector global = {10, 20};
  strategy->apply(global, {.values = upload, .clients = 1, .population = 1});
  EXPECT_EQ(global, (Vector{11, 18}));
  EXPECT_EQ(Vector(strategy->consensus().begin(), strategy->consensus().end()), answers);
}

TEST(AnswerExchange, UploadsAnswersInThePlaceOfTheUpdate) {
  for (const StrategySpec& spec : {StrategySpec(DsFlSpec{}), StrategySpec(FedMdSpec{})}) {
    const auto strategy = make_strategy(spec, 3);
    EXPECT_EQ(strategy->upload_size(1000), 3);
    EXPECT_EQ(strategy->sent_size(1000), 3);
    EXPECT_EQ(strategy->download_size(1000), 0) << "nothing to send before the first round";
    EXPECT_TRUE(strategy->keeps_local({"0.weight", "Linear"}));
    EXPECT_TRUE(strategy->distilling()->at_clients);
    EXPECT_EQ(strategy->distilling()->probabilities, to_string(spec) == "dsfl");
    EXPECT_EQ(strategy->weight(30), 1);

    const Vector update = {1, -2}, answers = {5, 6, 7};
    LocalResult result;
    result.update = update;
    result.answers = answers;
    ClientMemory memory;
    Vector upload(3), global = {10, 20};
    strategy->upload(result, memory, upload);
    EXPECT_EQ(upload, answers);
    strategy->apply(global, {.values = upload, .clients = 1, .population = 1});
    EXPECT_EQ(global, (Vector{10, 20})) << "the server's model learns; it is not averaged";
    EXPECT_EQ(strategy->download_size(1000), 3);

    const auto resumed = make_strategy(spec, 3);
    *resumed->slots()[0].second = *strategy->slots()[0].second;
    EXPECT_EQ(Vector(resumed->consensus().begin(), resumed->consensus().end()), answers);
  }
}

// Itahara et al. 2020, equation 9: reduction of entropy is a softmax of small temperature.
TEST(AnswerExchange, TemperaturesFollowThePapers) {
  const auto dsfl = make_strategy(DsFlSpec{}, 3), fedmd = make_strategy(FedMdSpec{}, 3);
  EXPECT_EQ(dsfl->distilling()->target_temperature, 0.1);
  EXPECT_EQ(dsfl->distilling()->student_temperature, 1.0);
  EXPECT_EQ(fedmd->distilling()->target_temperature, 1.0);
}

}  // namespace
}  // namespace starling
