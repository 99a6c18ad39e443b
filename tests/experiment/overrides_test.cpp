#include <gtest/gtest.h>

#include "experiment/documents.h"
#include "starling/core/error.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

Json applied(Json json, const std::vector<std::string>& overrides) {
  apply_overrides(json, overrides);
  return json;
}

std::string error_of(const std::vector<std::string>& overrides) {
  return test::error_of([&] { parse_experiment(applied(test::smallest(), overrides), "x.json"); });
}

TEST(Overrides, ValuesAreJson) {
  const Json json = applied(Json::object(), {"/a=1", "/b=2.5", "/c=true", "/d=null", "/e=[1,2]",
                                             "/f={\"g\":3}", "/h=\"quoted\""});
  EXPECT_EQ(json.dump(), R"({"a":1,"b":2.5,"c":true,"d":null,"e":[1,2],"f":{"g":3},"h":"quoted"})");
}

TEST(Overrides, WhatIsNotJsonIsAString) {
  const Json json = applied(Json::object(), {"/a=adam", "/b=", "/c=../models/x.json", "/d=a=b"});
  EXPECT_EQ(json.dump(), R"({"a":"adam","b":"","c":"../models/x.json","d":"a=b"})");
}

TEST(Overrides, MakesObjectsOnTheWayAndKeepsSiblings) {
  const Json json = applied(Json::parse(R"({"local":{"epochs":3}})"),
                            {"/local/optimizer/kind=adam", "/privacy/unit=none"});
  EXPECT_EQ(json.dump(),
            R"({"local":{"epochs":3,"optimizer":{"kind":"adam"}},"privacy":{"unit":"none"}})");
}

TEST(Overrides, LaterOnesWin) {
  EXPECT_EQ(applied(Json::object(), {"/a=1", "/a=2"}).dump(), R"({"a":2})");
}

TEST(Overrides, UnescapesPointers) {
  EXPECT_EQ(applied(Json::object(), {"/a~1b~0c=1"}).dump(), R"({"a/b~c":1})");
}

TEST(Overrides, ReachesElementsOfLists) {
  const Json json = Json::parse(R"({"layers":[{"kind":"linear"},{"kind":"relu"}]})");
  EXPECT_EQ(applied(json, {"/layers/1/kind=tanh"})["layers"][1]["kind"], "tanh");
}

TEST(Overrides, ChangeWhatIsParsed) {
  const auto experiment = parse_experiment(
      applied(test::smallest(), {"/rounds=77", "/local/optimizer={\"kind\":\"adam\"}"}), "x.json");
  EXPECT_EQ(experiment.rounds, 77);
  EXPECT_TRUE(std::holds_alternative<AdamSpec>(experiment.local.optimizer));
}

TEST(Overrides, RefusesMalformedOnes) {
  const auto refused = [](const std::string& text) {
    return test::error_of([&] { applied(Json::parse(R"({"a":1,"list":[0]})"), {text}); });
  };
  EXPECT_EQ(refused("/a"), "--set /a: has no \"=\"; write --set /json/pointer=value");
  EXPECT_EQ(refused("a=1"), "--set a=1: a pointer begins with \"/\", such as /local/batch_size");
  EXPECT_EQ(refused("=1"), "--set =1: a pointer begins with \"/\", such as /local/batch_size");
  EXPECT_EQ(refused("/=1"), "--set /=1: a pointer begins with \"/\", such as /local/batch_size");
  EXPECT_EQ(refused("/a/b=1"),
            "--set /a/b: \"b\" is looked up in 1, which is neither an object nor a list");
  EXPECT_EQ(refused("/list/1=1"),
            "--set /list/1: \"1\" is not an element of the list, which has 1");
  EXPECT_EQ(refused("/list/-1=1"),
            "--set /list/-1: \"-1\" is not an element of the list, which has 1");
  EXPECT_EQ(refused("/list/99999999999999999999=1"),
            "--set /list/99999999999999999999: \"99999999999999999999\" is not an element of the "
            "list, which has 1");
  EXPECT_EQ(refused("/a~2=1"),
            "--set /a~2: \"~\" is written ~0 and \"/\" is written ~1 in a pointer");
  EXPECT_EQ(refused("/a~=1"),
            "--set /a~: \"~\" is written ~0 and \"/\" is written ~1 in a pointer");
}

TEST(Overrides, UnknownPointersNameTheNearestKey) {
  EXPECT_EQ(error_of({"/local/batch_sise=64"}),
            "x.json: /local/batch_sise: is not a known key (did you mean \"batch_size\"?)");
  EXPECT_EQ(error_of({"/round=64"}),
            "x.json: /round: is not a known key (did you mean \"rounds\"?)");
}

TEST(Overrides, WrongTypesAreRefusedByTheParser) {
  EXPECT_EQ(error_of({"/rounds=many"}), "x.json: /rounds: \"many\" is not an integer");
  EXPECT_EQ(error_of({"/local/optimizer/learning_rate=1e999"}),
            "x.json: /local/optimizer/learning_rate: \"1e999\" is not a number");
}

}  // namespace
}  // namespace starling
