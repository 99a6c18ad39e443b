#include "starling/data/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "starling/core/error.h"
#include "starling/core/random.h"
#include "starling/data/catalogue.h"
#include "starling/data/partition.h"

namespace starling {
namespace {

constexpr double kFiveDeviations = 5.0;

TEST(Linear, ResidualsOfTheLawAreTheNoise) {
  const LinearLaw law{{2.0, -3.0}, 0.5, 0.2};
  const Dataset data = draw_linear(law, 20'000, 1, 3).train;
  double sum = 0.0, squares = 0.0;
  for (int64_t i = 0; i < data.size(); ++i) {
    const double a = data.features[2 * i], b = data.features[2 * i + 1];
    ASSERT_TRUE(a >= -1.0 && a < 1.0 && b >= -1.0 && b < 1.0);
    const double residual = data.targets[i] - (2.0 * a - 3.0 * b + 0.5);
    sum += residual;
    squares += residual * residual;
  }
  const auto n = static_cast<double>(data.size());
  EXPECT_NEAR(sum / n, 0.0, kFiveDeviations * 0.2 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 0.04, kFiveDeviations * 0.04 * std::sqrt(2.0 / n));
}

TEST(Linear, TheFirstExamplesOfALongerSetAreTheShorterSet) {
  const DataSplit longer = draw_linear({}, 30, 20, 1), shorter = draw_linear({}, 10, 5, 1);
  EXPECT_TRUE(std::equal(shorter.train.targets.begin(), shorter.train.targets.end(),
                         longer.train.targets.begin()));
  EXPECT_TRUE(std::equal(shorter.test.features.begin(), shorter.test.features.end(),
                         longer.test.features.begin()));
  EXPECT_NE(draw_linear({}, 10, 5, 2).train.targets, shorter.train.targets);
  EXPECT_NE(longer.train.features[0], longer.test.features[0]);
}

TEST(Linear, TheCatalogueHasTheLineOfTheTextbooks) {
  const DatasetInfo info = find_dataset("linear");
  EXPECT_EQ(info.law, LinearLaw{});
  EXPECT_EQ(info.classes, 0);
  LoadOptions options;
  options.train_limit = 40;
  const DataSplit split = load_dataset("linear", options);
  EXPECT_EQ(split.train.size(), 40);
  EXPECT_EQ(split.test.size(), info.test.examples);
  options.mean = options.std = {1.0};
  EXPECT_THROW(load_dataset("linear", options), InputError);
}

TEST(Linear, PartitionsByLabelAreRefused) {
  const Dataset data = draw_linear({}, 40, 1, 1).train;
  RandomStream stream(RandomKey::from_seed(1), {Purpose::partition});
  EXPECT_EQ(make_partition(IidPartition{2}, data, stream).examples(), 40);
  for (const PartitionSpec& spec :
       {PartitionSpec(DirichletPartition{2}), PartitionSpec(ShardsPartition{2}),
        PartitionSpec(LabelsPartition{2}), PartitionSpec(InnerDirichletPartition{2})})
    EXPECT_THROW(make_partition(spec, data, stream), InputError);
}

}  // namespace
}  // namespace starling
