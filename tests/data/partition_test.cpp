#include "starling/data/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "starling/core/error.h"

namespace starling {
namespace {

using testing::HasSubstr;

RandomStream stream(uint64_t seed = 1) {
  return RandomStream(RandomKey::from_seed(seed), {Purpose::partition});
}

// `count` labels 0..classes-1 in turn.
std::vector<int64_t> cyclic(int64_t count, int64_t classes) {
  std::vector<int64_t> labels(count);
  for (int64_t i = 0; i < count; ++i) labels[i] = i % classes;
  return labels;
}

Dataset dataset(int64_t count, int64_t classes) {
  Dataset data{"test", {1}, classes, {}, cyclic(count, classes), {}, {}};
  for (int64_t i = 0; i < count; ++i) data.owners.push_back(1000 - i / 7);
  return data;
}

void expect_covers(const Partition& partition, int64_t examples) {
  std::vector<int64_t> all;
  for (const auto& client : partition.clients) {
    EXPECT_FALSE(client.empty());
    EXPECT_TRUE(std::is_sorted(client.begin(), client.end()));
    all.insert(all.end(), client.begin(), client.end());
  }
  std::sort(all.begin(), all.end());
  std::vector<int64_t> expected(examples);
  std::iota(expected.begin(), expected.end(), int64_t{0});
  EXPECT_EQ(all, expected);
  EXPECT_EQ(partition.examples(), examples);
}

std::set<int64_t> labels_of(const std::vector<int64_t>& client, const std::vector<int64_t>& all) {
  std::set<int64_t> result;
  for (int64_t index : client) result.insert(all[index]);
  return result;
}

template <class Call>
std::string input_error(Call call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TEST(Partition, EveryKindCoversEachExampleExactlyOnceAndRepeats) {
  const Dataset data = dataset(1003, 10);
  for (const PartitionSpec& spec : std::vector<PartitionSpec>{
           IidPartition{7}, DirichletPartition{7, 0.3, 10}, InnerDirichletPartition{7, 0.3},
           ShardsPartition{7, 3}, LabelsPartition{7, 2}, QuantityPartition{7, QuantityLaw::linear},
           QuantityPartition{7, QuantityLaw::square},
           QuantityPartition{7, QuantityLaw::exponential},
           QuantityPartition{7, QuantityLaw::lognormal}, NaturalPartition{}}) {
    SCOPED_TRACE(spec.index());
    auto first = stream(), second = stream();
    const Partition partition = make_partition(spec, data, first);
    expect_covers(partition, 1003);
    EXPECT_EQ(partition.clients, make_partition(spec, data, second).clients);
  }
}

TEST(Partition, AnotherSeedGivesAnotherPartition) {
  const Dataset data = dataset(1000, 10);
  for (const PartitionSpec& spec : std::vector<PartitionSpec>{
           IidPartition{7}, DirichletPartition{7, 0.3, 10}, InnerDirichletPartition{7, 0.3},
           ShardsPartition{7, 3}, LabelsPartition{7, 2},
           QuantityPartition{7, QuantityLaw::linear}}) {
    auto first = stream(1), second = stream(2);
    EXPECT_NE(make_partition(spec, data, first).clients,
              make_partition(spec, data, second).clients);
  }
}

TEST(Partition, IidSizesDifferByAtMostOneAndLabelsMix) {
  auto random = stream();
  const Partition partition = partition_iid(10007, 10, random);
  const auto sizes = partition.sizes();
  const auto [low, high] = std::minmax_element(sizes.begin(), sizes.end());
  EXPECT_LE(*high - *low, 1);
  // The mean index of a random thousand of 0..10006 has standard deviation about 87.
  for (const auto& client : partition.clients) {
    const double mean = std::accumulate(client.begin(), client.end(), 0.0) / client.size();
    EXPECT_NEAR(mean, 5003.0, 6 * 87.0);
  }
}

TEST(Partition, OneClientOneExampleEach) {
  auto random = stream();
  expect_covers(partition_iid(5, 5, random), 5);
  expect_covers(partition_iid(5, 1, random), 5);
}

// Var of one Dirichlet(alpha) share over K clients is (1/K)(1 - 1/K) / (K alpha + 1).
TEST(Partition, DirichletSharesHaveTheMeanAndVarianceOfTheory) {
  constexpr int64_t kClients = 5, kClasses = 400, kEach = 200;
  const auto labels = cyclic(kClasses * kEach, kClasses);
  for (double alpha : {0.1, 1.0, 20.0}) {
    SCOPED_TRACE(alpha);
    auto random = stream();
    const Partition partition = partition_dirichlet(labels, kClients, alpha, 1, random);
    std::vector<double> shares(kClasses * kClients, 0.0);
    for (int64_t k = 0; k < kClients; ++k) {
      for (int64_t index : partition.clients[k])
        shares[labels[index] * kClients + k] += 1.0 / kEach;
    }
    double variance = 0.0;
    for (double share : shares) variance += (share - 0.2) * (share - 0.2) / shares.size();
    const double theory = 0.2 * 0.8 / (kClients * alpha + 1.0);
    EXPECT_GT(variance, 0.85 * theory);
    EXPECT_LT(variance, 1.15 * theory);
  }
}

TEST(Partition, DirichletHonoursTheSmallestSize) {
  const auto labels = cyclic(2000, 10);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    auto random = stream(seed);
    const auto sizes = partition_dirichlet(labels, 10, 0.2, 40, random).sizes();
    EXPECT_GE(*std::min_element(sizes.begin(), sizes.end()), 40);
  }
}

TEST(Partition, DirichletWithATinyAlphaGivesEachClassToOneClient) {
  const auto labels = cyclic(5000, 50);
  auto random = stream();
  const Partition partition = partition_dirichlet(labels, 3, 1e-6, 1, random);
  expect_covers(partition, 5000);
  size_t pairs = 0;
  for (const auto& client : partition.clients) pairs += labels_of(client, labels).size();
  EXPECT_EQ(pairs, 50u);
}

TEST(Partition, DirichletThatCannotReachTheSizeGivesUpWithARemedy) {
  const auto labels = cyclic(1000, 2);
  auto random = stream();
  const auto error = input_error([&] { partition_dirichlet(labels, 50, 0.01, 20, random); });
  EXPECT_THAT(error, HasSubstr("partition/min_size: no draw of 1000"));
  EXPECT_THAT(error, HasSubstr("raise alpha"));
}

TEST(Partition, InnerDirichletSizesDifferByAtMostOne) {
  auto random = stream();
  const Partition partition = partition_inner_dirichlet(cyclic(1003, 10), 7, 0.1, random);
  expect_covers(partition, 1003);
  const auto sizes = partition.sizes();
  const auto [low, high] = std::minmax_element(sizes.begin(), sizes.end());
  EXPECT_EQ(*high - *low, 1);
}

// Var of one Dirichlet(alpha) share over C classes is (1/C)(1 - 1/C) / (C alpha + 1), and a draw of
// n labels adds E[p (1 - p)] / n. Far more examples than clients take, so that no class runs out.
TEST(Partition, InnerDirichletSharesHaveTheMeanAndVarianceOfTheory) {
  constexpr int64_t kClasses = 4, kClients = 2000, kEach = 100;
  for (double alpha : {0.3, 1.0, 20.0}) {
    SCOPED_TRACE(alpha);
    auto random = stream();
    const auto labels = cyclic(kClients * kEach, kClasses);
    const Partition partition = partition_inner_dirichlet(labels, kClients, alpha, random);
    double variance = 0.0;
    for (const auto& client : partition.clients) {
      std::vector<double> shares(kClasses, 0.0);
      for (int64_t index : client) shares[labels[index]] += 1.0 / kEach;
      for (double share : shares)
        variance += (share - 0.25) * (share - 0.25) / (kClasses * kClients);
    }
    const double theory = 0.25 * 0.75 / (kClasses * alpha + 1.0);
    EXPECT_GT(variance, 0.85 * (theory + (0.1875 - theory) / kEach));
    EXPECT_LT(variance, 1.15 * (theory + (0.1875 - theory) / kEach));
  }
}

TEST(Partition, InnerDirichletWithATinyAlphaGivesEachClientFewClasses) {
  const auto labels = cyclic(5000, 10);
  auto random = stream();
  const Partition partition = partition_inner_dirichlet(labels, 10, 1e-7, random);
  expect_covers(partition, 5000);
  // Shares vanish to nothing, and classes run out: whoever is left takes what is left.
  size_t pairs = 0;
  for (const auto& client : partition.clients) pairs += labels_of(client, labels).size();
  EXPECT_LT(pairs, 70u);
  for (double alpha : {0.0, -1.0, std::nan("")}) {
    EXPECT_THAT(input_error([&] { partition_inner_dirichlet(labels, 10, alpha, random); }),
                HasSubstr("partition/alpha: "));
  }
}

TEST(Partition, TwoShardsGiveEachClientAtMostFourLabelsAsMcMahanHas) {
  const auto labels = cyclic(60000, 10);
  auto random = stream();
  const Partition partition = partition_shards(labels, 100, 2, random);
  expect_covers(partition, 60000);
  int64_t with_two_at_most = 0;
  for (const auto& client : partition.clients) {
    EXPECT_EQ(client.size(), 600u);
    with_two_at_most += labels_of(client, labels).size() <= 2;
  }
  EXPECT_EQ(with_two_at_most, 100);  // 6,000 of a label are twenty whole shards of 300
}

TEST(Partition, EachClientHoldsExactlyTheLabelsAskedFor) {
  const auto labels = cyclic(1000, 10);
  for (int64_t each : {1, 3, 10}) {
    auto random = stream();
    const Partition partition = partition_labels(labels, 20, each, random);
    expect_covers(partition, 1000);
    std::map<int64_t, int> holders;
    for (const auto& client : partition.clients) {
      const auto held = labels_of(client, labels);
      EXPECT_EQ(held.size(), static_cast<size_t>(each));
      for (int64_t label : held) ++holders[label];
    }
    for (auto [label, count] : holders) EXPECT_EQ(count, 2 * each);
  }
}

TEST(Partition, LabelsThatNobodyHoldsAreLeftOut) {
  auto random = stream();
  const Partition partition = partition_labels(cyclic(1000, 10), 3, 2, random);
  EXPECT_EQ(partition.examples(), 600);
}

TEST(Partition, QuantityLawsGiveTheirSizes) {
  auto random = stream();
  EXPECT_THAT(partition_quantity(55, 10, QuantityLaw::linear, random).sizes(),
              testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  EXPECT_THAT(partition_quantity(55, 5, QuantityLaw::square, random).sizes(),
              testing::ElementsAre(1, 4, 9, 16, 25));
  const auto sizes = partition_quantity(100000, 20, QuantityLaw::exponential, random).sizes();
  EXPECT_NEAR(static_cast<double>(sizes.back()) / sizes.front(), std::exp(5.0), 1.0);
  EXPECT_THAT(partition_quantity(12, 10, QuantityLaw::exponential, random).sizes(),
              testing::Each(testing::Ge(1)));
}

// Sizes relative to their median have logarithms of standard deviation 1.
TEST(Partition, LognormalSizesSpreadAsStated) {
  auto random = stream();
  const auto sizes = partition_quantity(4'000'000, 2000, QuantityLaw::lognormal, random).sizes();
  double mean = 0.0, square = 0.0;
  for (int64_t size : sizes) {
    mean += std::log(size) / sizes.size();
    square += std::log(size) * std::log(size) / sizes.size();
  }
  EXPECT_NEAR(std::sqrt(square - mean * mean), 1.0, 0.1);
}

TEST(Partition, NaturalClientsAreTheOwnersInOrder) {
  const Partition partition = partition_natural(std::vector<int64_t>{9, 4, 9, 7, 4});
  EXPECT_EQ(partition.clients, (std::vector<std::vector<int64_t>>{{1, 4}, {3}, {0, 2}}));
}

TEST(Partition, RefusesWhatTheDataCannotGive) {
  auto random = stream();
  const auto labels = cyclic(100, 10);
  const auto refuse = [&](auto call, const std::string& text) {
    EXPECT_THAT(input_error(call), HasSubstr(text));
  };
  refuse([&] { partition_iid(100, 101, random); }, "partition/clients: 101 is outside 1..100");
  refuse([&] { partition_iid(100, 0, random); }, "partition/clients: 0 is outside");
  refuse([&] { partition_iid(0, 1, random); }, "partition/clients");
  refuse([&] { partition_dirichlet(labels, 10, 0.0, 1, random); }, "partition/alpha");
  refuse([&] { partition_dirichlet(labels, 10, NAN, 1, random); }, "partition/alpha");
  refuse([&] { partition_dirichlet(labels, 10, 1.0, 11, random); }, "partition/min_size: 11");
  refuse([&] { partition_shards(labels, 10, 11, random); }, "partition/shards_per_client: 11");
  refuse([&] { partition_labels(labels, 10, 11, random); }, "partition/labels_per_client: 11");
  refuse([&] { partition_labels(labels, 100, 10, random); }, "take fewer clients");
  refuse([&] { partition_natural({}); }, "natural needs");
}

}  // namespace
}  // namespace starling
