#include "starling/privacy/event_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Composition parsed(const std::string& text) {
  return composition_from_json(parse_json(text, "e.json"), "e.json");
}

std::string error_of(const std::string& text) {
  try {
    parsed(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(EventJsonTest, ReadsTheDocumentedExample) {
  const Composition c = parsed(R"({"relation": "add_remove", "events": [
      {"mechanism": "gaussian", "noise_multiplier": 1.0,
       "sampling": {"kind": "poisson", "rate": 0.01}, "count": 10000},
      {"mechanism": "laplace", "scale": 5.0, "count": 3}]})");
  EXPECT_EQ(c.relation, Relation::add_remove);
  ASSERT_EQ(c.events.size(), 2u);
  EXPECT_EQ(std::get<GaussianMechanism>(c.events[0].mechanism).noise_multiplier, 1.0);
  EXPECT_EQ(std::get<PoissonSampling>(c.events[0].sampling).rate, 0.01);
  EXPECT_EQ(c.events[0].count, 10000);
  EXPECT_EQ(std::get<LaplaceMechanism>(c.events[1].mechanism).scale, 5.0);
  EXPECT_TRUE(std::holds_alternative<NoSampling>(c.events[1].sampling));
}

TEST(EventJsonTest, EveryKindSurvivesARoundTripBitForBit) {
  const std::string text =
      R"({"relation":"replace_one","events":[)"
      R"({"mechanism":"gaussian","noise_multiplier":0.30000000000000004,"count":1,)"
      R"("sampling":{"kind":"none"}},)"
      R"({"mechanism":"gaussian","noise_multiplier":"inf","count":0,"sampling":{"kind":"none"}},)"
      R"({"mechanism":"discrete_gaussian","noise_multiplier":2.5,"count":7,)"
      R"("sampling":{"kind":"none"}},)"
      R"({"mechanism":"laplace","scale":0.1,"count":1,"sampling":{"kind":"poisson","rate":1e-06}},)"
      R"({"mechanism":"randomized_response","probability":0.75,"categories":4,"count":2,)"
      R"("sampling":{"kind":"none"}},)"
      R"({"mechanism":"tree","noise_multiplier":3.0,"leaves":1000,"restarts":2,)"
      R"("max_participations":5,"min_separation":99,"count":1,"sampling":{"kind":"none"}},)"
      R"({"mechanism":"adaptive_clipping","noise_multiplier":1.1,"bit_noise_multiplier":20.0,)"
      R"("count":10,"sampling":{"kind":"poisson","rate":0.5}},)"
      R"({"mechanism":"select_and_repeat","event":{"mechanism":"gaussian","noise_multiplier":4.0,)"
      R"("count":100,"sampling":{"kind":"without_replacement","batch":8,"examples":64}},)"
      R"("distribution":"negative_binomial","parameters":[1.0,0.1],"count":1,)"
      R"("sampling":{"kind":"none"}},)"
      R"({"mechanism":"none","count":1,"sampling":{"kind":"none"}}]})";
  EXPECT_EQ(to_json(parsed(text)).dump(), text);
}

TEST(EventJsonTest, AListAloneTakesTheRelationOfTheCaller) {
  const Json list = parse_json(R"([{"mechanism": "none"}])", "e");
  EXPECT_EQ(composition_from_json(list, "e", Relation::replace_one).relation,
            Relation::replace_one);
  EXPECT_EQ(composition_from_json(list, "e").relation, Relation::zero_out);
}

TEST(EventJsonTest, WrongInputNamesPointerValueAndNearestKey) {
  EXPECT_THAT(error_of(R"([{"mechanism": "gausian", "noise_multiplier": 1}])"),
              AllOf(HasSubstr("e.json: /events/0/mechanism"), HasSubstr("\"gaussian\"?")));
  EXPECT_THAT(error_of(R"([{"mechanism": "gaussian", "noise_multiplyer": 1}])"),
              HasSubstr("did you mean \"noise_multiplier\"?"));
  EXPECT_THAT(error_of(R"([{"mechanism": "gaussian", "noise_multiplier": 1, "cuont": 2}])"),
              HasSubstr("did you mean \"count\"?"));
  EXPECT_THAT(error_of(R"([{"mechanism": "none", "sampling": {"kind": "poisson", "rate": 1.5}}])"),
              AllOf(HasSubstr("/events/0/sampling/rate"), HasSubstr("1.5"), HasSubstr("[0, 1]")));
  EXPECT_THAT(error_of(R"({"relation": "add-remove", "events": []})"),
              HasSubstr("did you mean \"add_remove\"?"));
}

TEST(EventJsonTest, RefusesWhatIsOutOfRange) {
  for (const std::string wrong :
       {R"([{"mechanism": "gaussian"}])", R"([{"mechanism": "gaussian", "noise_multiplier": -1}])",
        R"([{"mechanism": "gaussian", "noise_multiplier": "1"}])",
        R"([{"mechanism": "gaussian", "noise_multiplier": "-inf"}])",
        R"([{"mechanism": "gaussian", "noise_multiplier": 1, "count": -1}])",
        R"([{"mechanism": "gaussian", "noise_multiplier": 1, "count": 1.5}])",
        R"([{"mechanism": "gaussian", "noise_multiplier": 1, "count": 9007199254740993}])",
        R"([{"mechanism": "randomized_response", "probability": 0.5, "categories": 1}])",
        R"([{"mechanism": "none", "sampling": {"kind": "poisson"}}])",
        R"([{"mechanism": "none", "sampling": {"kind": "none", "rate": 0.1}}])",
        R"([{"mechanism": "none",
             "sampling": {"kind": "without_replacement", "batch": 5, "examples": 4}}])",
        R"([{"mechanism": "select_and_repeat", "event": {"mechanism": "none"},
             "distribution": "poisson", "parameters": [1, 2]}])",
        R"([{"mechanism": "tree", "noise_multiplier": 1, "leaves": 0}])", R"({"events": {}})",
        R"({"relation": "zero_out"})", R"("gaussian")", R"([3])"}) {
    EXPECT_NE(error_of(wrong), "accepted") << wrong;
  }
}

TEST(EventJsonTest, SelectionsAmongSelectionsAreRefused) {
  const std::string inner = R"({"mechanism": "select_and_repeat", "event": {"mechanism": "none"},)"
                            R"( "distribution": "poisson", "parameters": [1]})";
  EXPECT_THAT(error_of(R"([{"mechanism": "select_and_repeat", "event": )" + inner +
                       R"(, "distribution": "poisson", "parameters": [1]}])"),
              HasSubstr("selection among selections"));
}

TEST(EventJsonTest, MergingAddsCountsOfEqualEventsOnly) {
  const Event a{GaussianMechanism{1.0}, PoissonSampling{0.1}, 3};
  const Event b{GaussianMechanism{1.0}, PoissonSampling{0.2}, 5};
  const Event none{GaussianMechanism{9.0}, NoSampling{}, 0};
  const auto merged = merge_equal({a, b, none, a, a});
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[0].count, 9);
  EXPECT_EQ(merged[1].count, 5);
}

TEST(EventJsonTest, MergingRefusesCountsBeyondExactDoubles) {
  const Event huge{GaussianMechanism{1.0}, NoSampling{}, int64_t{1} << 53};
  EXPECT_THROW(merge_equal({huge, huge}), Error);
}

TEST(EventJsonTest, InfinityIsTheStringInf) {
  EXPECT_EQ(number_json(INFINITY).dump(), "\"inf\"");
  EXPECT_EQ(number_json(0.25).dump(), "0.25");
  EXPECT_EQ(number_text(1e-5), "1e-05");
  EXPECT_EQ(number_text(-INFINITY), "-inf");
}

TEST(EventJsonTest, DescriptionsNameNoiseSamplingAndCount) {
  const Event event{GaussianMechanism{1.1}, PoissonSampling{0.01}, 10000};
  EXPECT_THAT(describe(event), AllOf(HasSubstr("1.1"), HasSubstr("0.01"), HasSubstr("10000")));
}

}  // namespace
}  // namespace starling
