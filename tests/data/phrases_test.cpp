#include "starling/data/phrases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/idx_files.h"
#include "starling/core/error.h"
#include "starling/data/catalogue.h"
#include "starling/data/feature_shift.h"
#include "starling/data/partition.h"

namespace starling {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kFiveDeviations = 5.0;

PhraseGrammar small() {
  PhraseGrammar grammar;
  grammar.length = 6;
  grammar.classes = {{"cat", {"cat", "tom cat"}}, {"dog", {"dog"}}};
  grammar.rules = {{"phrase", {"see {class} {end}", "{class}"}}, {"end", {"not {other}", ""}}};
  return grammar;
}

std::string problem_of(const PhraseGrammar& grammar) {
  try {
    vocabulary_of(grammar);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

std::vector<float> example(const Dataset& data, int64_t index) {
  const auto size = data.example_size();
  const auto first = data.features.begin() + index * size;
  return {first, first + size};
}

// The classes that the words of a phrase name, in order.
std::vector<int64_t> named(const PhraseGrammar& grammar, const std::vector<std::string>& vocabulary,
                           const std::vector<float>& phrase) {
  std::vector<int64_t> classes;
  for (const float id : phrase)
    for (size_t c = 0; c < grammar.classes.size(); ++c)
      if (std::ranges::count(grammar.classes[c].words, vocabulary.at(static_cast<size_t>(id))) > 0)
        classes.push_back(static_cast<int64_t>(c));
  return classes;
}

// Both things are named once, so that exchanging them keeps the words: no bag of words tells which
// one is meant. Nor does the order of the two names.
TEST(Phrases, TheShippedOnesNameBothThingsOnceAndTheMeantOneFirstHalfTheTime) {
  const DatasetInfo info = find_dataset("phrases");
  const auto vocabulary = vocabulary_of(info.grammar);
  const Dataset data = draw_phrases(info.grammar, 20'000, 1, 3).train;
  double first = 0.0;
  std::map<std::vector<int64_t>, double> pairs;
  for (int64_t i = 0; i < data.size(); ++i) {
    const auto classes = named(info.grammar, vocabulary, example(data, i));
    ASSERT_EQ(classes.size(), 2u) << phrase_text(example(data, i), vocabulary);
    ASSERT_NE(classes[0], classes[1]);
    ASSERT_EQ(std::ranges::count(classes, data.labels[i]), 1);
    first += classes[0] == data.labels[i];
    ++pairs[{data.labels[i], classes[0] + classes[1] - data.labels[i]}];
  }
  const auto n = static_cast<double>(data.size());
  EXPECT_EQ(pairs.size(), 12u);
  for (const auto& [pair, count] : pairs)
    EXPECT_NEAR(count, n / 12.0, kFiveDeviations * std::sqrt(n / 12.0));
  // A writer's favourite request is one of ten: a hundred writers draw the share.
  EXPECT_NEAR(first / n, 0.5, kFiveDeviations * 0.5 * 0.5 / std::sqrt(100.0));
}

TEST(Phrases, WordsAreNumberedInOrderAndPaddingStandsInFront) {
  PhraseGrammar grammar = small();
  EXPECT_THAT(vocabulary_of(grammar), ElementsAre("", "cat", "dog", "not", "see", "tom"));
  grammar.rules = {{"phrase", {"see {class} not {other}"}}};
  grammar.classes[0].words = {"tom cat"};
  grammar.habit = 1.0;
  const Dataset data = draw_phrases(grammar, 50, 1, 1).train;
  EXPECT_EQ(data.vocabulary, 6);
  for (int64_t i = 0; i < data.size(); ++i) {
    const auto phrase = example(data, i);
    EXPECT_THAT(phrase, data.labels[i] == 0 ? ElementsAre(0.0f, 4.0f, 5.0f, 1.0f, 3.0f, 2.0f)
                                            : ElementsAre(0.0f, 4.0f, 2.0f, 3.0f, 5.0f, 1.0f));
  }
}

TEST(Phrases, TheFirstExamplesOfALongerSetAreTheShorterSet) {
  const PhraseGrammar grammar = find_dataset("phrases").grammar;
  const DataSplit longer = draw_phrases(grammar, 30, 20, 1),
                  shorter = draw_phrases(grammar, 10, 5, 1);
  EXPECT_TRUE(std::equal(shorter.train.features.begin(), shorter.train.features.end(),
                         longer.train.features.begin()));
  EXPECT_TRUE(std::equal(shorter.test.labels.begin(), shorter.test.labels.end(),
                         longer.test.labels.begin()));
  EXPECT_NE(draw_phrases(grammar, 10, 5, 2).train.features, shorter.train.features);
}

TEST(Phrases, AWriterWithoutFancyAlwaysWritesTheSame) {
  PhraseGrammar grammar = find_dataset("phrases").grammar;
  grammar.habit = 1.0;
  const Dataset data = draw_phrases(grammar, 5'000, 1, 1).train;
  std::map<int64_t, std::set<std::vector<float>>> phrases;
  for (int64_t i = 0; i < data.size(); ++i) phrases[data.owners[i]].insert(example(data, i));
  EXPECT_EQ(std::ssize(phrases), grammar.writers);
  for (const auto& [writer, own] : phrases) EXPECT_LE(own.size(), 12u) << writer;
  EXPECT_EQ(std::ssize(partition_natural(data.owners).clients), grammar.writers);
}

TEST(Phrases, GrammarsThatMakeNoSenseAreRefusedByName) {
  PhraseGrammar grammar = small();
  EXPECT_EQ(problem_of(grammar), "no InputError");
  grammar.length = 4;
  EXPECT_THAT(problem_of(grammar), HasSubstr("4 is below the 6 words"));
  grammar = small();
  grammar.rules[0].choices = {"see {class} {edn}"};
  EXPECT_THAT(problem_of(grammar), HasSubstr("did you mean \"{end}\"?"));
  grammar = small();
  grammar.rules[1].choices = {"{phrase}"};
  EXPECT_THAT(problem_of(grammar), HasSubstr("no rule below it"));
  grammar = small();
  grammar.rules[0].choices = {"see {class}"};
  EXPECT_THAT(problem_of(grammar), HasSubstr("rule \"end\" is never used"));
  grammar = small();
  grammar.rules[0].choices = {"see {class} {end}", "see"};
  EXPECT_THAT(problem_of(grammar), HasSubstr("without {class}"));
  grammar = small();
  grammar.classes[0].words = {"{other}"};
  EXPECT_THAT(problem_of(grammar), HasSubstr("is a slot"));
}

TEST(Phrases, RulesThatDoubleAtEveryLevelAreRefusedBeforeTheyAreDrawn) {
  PhraseGrammar grammar = small();
  grammar.rules = {{"phrase", {"{class} {r0}"}}};
  for (int level = 0; level < 60; ++level) {
    const std::string next = "{r" + std::to_string(level + 1) + "}";
    grammar.rules.push_back({"r" + std::to_string(level), {next + " " + next}});
  }
  grammar.rules.push_back({"r60", {""}});
  EXPECT_THAT(problem_of(grammar), HasSubstr("more than 10000 steps"));
}

TEST(Phrases, DescriptionsSayWhereTheyAreWrong) {
  const testing_files::TemporaryFolder folder;
  const auto refusal = [&](const std::string& classes, const std::string& rules) {
    const auto path = folder.write(
        "p.json",
        R"({"name": "p", "licence": "ours", "format": "phrases", "length": 3, "classes": )" +
            classes + R"(, "rules": )" + rules +
            R"(, "train": {"examples": 9}, "test": {"examples": 9}})");
    try {
      find_dataset(path);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("no InputError");
  };
  const std::string two = R"([{"name": "a", "words": ["x"]}, {"name": "b", "words": ["y"]}])";
  EXPECT_EQ(refusal(two, R"([{"name": "p", "choices": ["{class}"]}])"), "no InputError");
  EXPECT_THAT(refusal(R"([{"name": "a", "words": ["x"]}])", "[]"),
              HasSubstr("p.json: /classes: needs at least two"));
  EXPECT_THAT(refusal(two, "[]"), HasSubstr("/rules: is empty"));
  EXPECT_THAT(refusal(two, R"([{"name": "other", "choices": ["x"]}])"), HasSubstr("already taken"));
  EXPECT_THAT(refusal(two, R"([{"name": "p", "choices": ["{class} {q}"]}])"),
              HasSubstr("p.json: /rules: rule \"p\" uses \"{q}\""));
}

TEST(Phrases, TokensAreNotShiftedAsIfTheyWereNumbers) {
  Dataset data = draw_phrases(small(), 20, 1, 1).train;
  const auto key = RandomKey::from_seed(1);
  RandomStream stream(key, {Purpose::partition});
  const Partition partition = make_partition(IidPartition{2}, data, stream);
  shift_features(NoShift{}, partition, key, data);
  EXPECT_THROW(shift_features(NoiseShift{}, partition, key, data), InputError);
}

}  // namespace
}  // namespace starling
