#include "starling/core/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "starling/core/error.h"

namespace starling {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_json(text, "x.json");
  } catch (const InputError& problem) {
    return problem.what();
  }
  return "accepted";
}

template <class Read>
std::string read_refusal(const std::string& text, Read read) {
  const Json value = parse_json(text, "x.json");
  try {
    JsonObject object(value, "x.json");
    read(object);
  } catch (const InputError& problem) {
    return problem.what();
  }
  return "accepted";
}

TEST(ParseJson, KeepsValuesAndTheOrderOfKeys) {
  const Json value = parse_json(R"({"b": [1, 2.5, "x", null, true], "a": {"c": -7}})", "x.json");
  EXPECT_EQ(value.dump(), R"({"b":[1,2.5,"x",null,true],"a":{"c":-7}})");
}

TEST(ParseJson, AcceptsTheLargestAndSmallestIntegers) {
  const Json value = parse_json("[9223372036854775807, -9223372036854775808, 0, 0.0, -0e5]", "x");
  EXPECT_EQ(value[0].get<int64_t>(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(value[1].get<int64_t>(), std::numeric_limits<int64_t>::min());
}

TEST(ParseJson, RefusesDuplicateKeysWithTheirPlace) {
  EXPECT_THAT(refusal(R"({"a": {"b": 1, "b": 2}})"), HasSubstr("/a: the key \"b\" stands twice"));
}

TEST(ParseJson, RefusesNumbersThatDoNotFit) {
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "18446744073709551616",
                           "123456789012345678901234567890"})
    EXPECT_THAT(refusal(text), HasSubstr("outside the 64-bit integers")) << text;
  EXPECT_THAT(refusal("1e-400"), HasSubstr("would read as 0"));
  EXPECT_NE(refusal("1e400"), "accepted");
  EXPECT_NE(refusal("NaN"), "accepted");
  EXPECT_NE(refusal("-Infinity"), "accepted");
}

TEST(ParseJson, RefusesDeepNestingWithBoundedStack) {
  const std::string deep = std::string(1000000, '[') + std::string(1000000, ']');
  EXPECT_THAT(refusal(deep), HasSubstr("deeper than 64"));
  EXPECT_EQ(refusal(std::string(64, '[') + std::string(64, ']')), "accepted");
}

TEST(ParseJson, NamesLineAndColumnOfMalformedText) {
  EXPECT_THAT(refusal("{\n  \"a\": 1,\n  \"b\" 2\n}"), HasSubstr("x.json: line 3, column 7"));
  EXPECT_NE(refusal("{} {}"), "accepted");
  EXPECT_NE(refusal(""), "accepted");
  EXPECT_NE(refusal("{\"a\": \"\xff\"}"), "accepted");
  EXPECT_NE(refusal("\xEF\xBB\xBF{}"), "accepted");
  EXPECT_NE(refusal("// no comments\n{}"), "accepted");
}

TEST(JsonObject, NamesFilePointerValueAndRange) {
  EXPECT_EQ(read_refusal(R"({"participation": {"rate": 1.4}})",
                         [](JsonObject& o) {
                           auto participation = o.object("participation");
                           participation.number("rate", kUnitOpenClosed);
                         }),
            "x.json: /participation/rate: 1.4 is outside (0, 1]");
}

TEST(JsonObject, RefusesWrongTypes) {
  const std::string text = R"({"a": "1", "b": 1.0, "c": 1, "d": [1, "x"]})";
  EXPECT_THAT(read_refusal(text, [](JsonObject& o) { o.number("a"); }), HasSubstr("not a number"));
  EXPECT_THAT(read_refusal(text, [](JsonObject& o) { o.integer("b", 0, 9); }),
              HasSubstr("/b: 1.0 is not an integer"));
  EXPECT_THAT(read_refusal(text, [](JsonObject& o) { o.boolean("c"); }),
              HasSubstr("true nor false"));
  EXPECT_THAT(read_refusal(text, [](JsonObject& o) { o.integers("d", 0, 9); }),
              HasSubstr("/d/1: "));
  EXPECT_THAT(read_refusal(text, [](JsonObject& o) { o.object("c"); }), HasSubstr("not an object"));
}

TEST(JsonObject, RefusesUnknownKeysAndSuggestsTheNearest) {
  EXPECT_EQ(read_refusal(R"({"nosie_multiplier": 1.0})",
                         [](JsonObject& o) {
                           o.optional_number("noise_multiplier", kPositive);
                           o.finish();
                         }),
            "x.json: /nosie_multiplier: is not a known key (did you mean \"noise_multiplier\"?)");
  EXPECT_THAT(read_refusal(R"({"ruonds": 3})", [](JsonObject& o) { o.integer("rounds", 1, 9); }),
              HasSubstr("did you mean \"rounds\"?"));
}

TEST(JsonObject, ChoosesWordsAndSuggests) {
  const std::vector<std::pair<std::string, int>> words{{"poisson", 1}, {"shuffle", 2}};
  EXPECT_EQ(read_refusal(R"({"sampling": "poison"})",
                         [&](JsonObject& o) { o.choice("sampling", words); }),
            "x.json: /sampling: \"poison\" is not one of poisson or shuffle (did you mean "
            "\"poisson\"?)");
  const Json value = parse_json(R"({"sampling": "shuffle"})", "x");
  JsonObject object(value, "x");
  EXPECT_EQ(object.choice("sampling", words), 2);
  EXPECT_EQ(object.choice("absent", words, 7), 7);
}

TEST(JsonObject, ReadsNullAsAbsent) {
  const Json value = parse_json(R"({"a": null})", "x");
  JsonObject object(value, "x");
  EXPECT_EQ(object.number("a", {}, 4.0), 4.0);
  EXPECT_FALSE(object.optional_integer("a", 0, 1).has_value());
  object.finish();
}

TEST(JsonObject, RefusesNonFiniteNumbersInBuiltValues) {
  const Json value = Json::object({{"a", std::numeric_limits<double>::quiet_NaN()},
                                   {"b", std::numeric_limits<double>::infinity()}});
  JsonObject object(value, "x");
  EXPECT_THROW(object.number("a"), InputError);
  EXPECT_THROW(object.number("b", kPositive), InputError);
}

TEST(Nearest, KeepsItsDistance) {
  EXPECT_EQ(nearest("epsillon", {"epsilon", "delta"}), "epsilon");
  EXPECT_EQ(nearest("zzzzzzzz", {"epsilon", "delta"}), std::nullopt);
}

}  // namespace
}  // namespace starling
