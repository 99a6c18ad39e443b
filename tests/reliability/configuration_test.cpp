// Cases 14 to 17: experiment files with slips and with malice.

#include <gmock/gmock.h>

#include <random>

#include "experiment/documents.h"
#include "reliability/limits.h"
#include "starling/core/files.h"
#include "starling/experiment/experiment.h"

namespace starling::reliability {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

using Configuration = Hostile;

constexpr const char* kPrivate = R"({"unit": "example", "noise_multiplier": 1.0, "delta": 1e-5,
                                     "clip_norm": 1.0})";
constexpr const char* kFile =
    R"({"name": "t", "model": {"file": "m.json"}, "rounds": 3, "local": {"batch_size": 8},
        "partition": {"kind": "iid", "clients": 4}, "privacy": )";

Experiment parsed(const std::string& text) {
  return parse_experiment(parse_json(text, "x.json"), "x.json");
}
std::string document(const std::string& privacy = kPrivate) { return kFile + privacy + "}"; }

std::string with_text(const std::string& pointer, const std::string& literal) {
  Json json = parse_json(document(), "x.json");
  json[Json::json_pointer(pointer)] = "@@";
  std::string text = json.dump();
  return text.replace(text.find("\"@@\""), 4, literal);
}

TEST_F(Configuration, cfg_unknown_key_IsRefusedWithTheNearest) {
  ASSERT_NO_THROW(parsed(document()));
  EXPECT_THAT(refusal([] { parsed(document(R"({"unit": "example", "nosie_multiplier": 1.0})")); }),
              AllOf(HasSubstr("/privacy"), HasSubstr("noise_multiplier")));
  EXPECT_THAT(refusal([] { parsed(with_text("/privcay", "{}")); }),
              HasSubstr("did you mean \"privacy\""));
  EXPECT_THAT(refusal([] { parsed(with_text("/privacy/epsillon", "1")); }),
              HasSubstr("/privacy/epsillon"));
}

TEST_F(Configuration, cfg_ranges_NameKeyAndRange) {
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"/privacy/noise_multiplier", {"-1", "0", "NaN", "Infinity", "1e400", "1e-400", "\"inf\""}},
      {"/privacy/clip_norm", {"0", "-1", "NaN", "1e-400"}},
      {"/privacy/delta", {"0", "1", "2", "1e-400", "-1e-5"}},
      {"/local/sample_rate", {"0", "1.0001", "-0.1"}},
      {"/participation/fraction", {"0", "1.0001", "-1"}},
      {"/rounds", {"-1", "0", "9223372036854775808", "1.5", "1e3"}},
      {"/local/optimizer/learning_rate", {"NaN", "0", "-0.1", "1e999"}},
      {"/local/batch_size", {"0", "-8", "9223372036854775807"}},
      {"/partition/clients", {"0", "-1", "9223372036854775807"}}};
  for (const auto& [pointer, literals] : cases)
    for (const char* literal : literals) {
      const std::string text = refusal([&] { parsed(with_text(pointer, literal)); });
      const bool is_json = std::string(literal).find_first_of("NI") == std::string::npos &&
                           text.find("line ") == std::string::npos &&
                           text.find("would read as 0") == std::string::npos &&
                           text.find("64-bit") == std::string::npos;
      EXPECT_THAT(text, StartsWith("x.json: ")) << pointer << " " << literal;
      if (is_json) {
        EXPECT_THAT(text, HasSubstr(pointer)) << literal;
      }
    }
}

TEST_F(Configuration, cfg_types_dupes_AreRefused) {
  EXPECT_THAT(refusal([] { parsed(with_text("/rounds", "\"3\"")); }), HasSubstr("not an integer"));
  EXPECT_THAT(refusal([] { parsed(with_text("/rounds", "1e3")); }), HasSubstr("not an integer"));
  EXPECT_THAT(refusal([] { parsed(document() + " " + "x"); }), HasSubstr("line"));
  const std::string twice = document().insert(1, R"("rounds": 3, )");
  EXPECT_THAT(refusal([&] { parsed(twice); }), HasSubstr("\"rounds\" stands twice"));
  EXPECT_THAT(refusal([] { parsed(with_text("/name", "\"\xff\xfe\"")); }), HasSubstr("line"));
  EXPECT_THAT(refusal([] { parsed(with_text("/name", "\"a\\u0000b\"")); }), HasSubstr("/name"));
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_THAT(refusal([&] { parsed(with_text("/model", deep)); }), HasSubstr("deeper than 64"));
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(refusal([&] { parsed(objects); }), HasSubstr("deeper than 64"));
}

TEST_F(Configuration, cfg_types_dupes_HugeFilesCostBoundedMemory) {
  const std::string path = folder_.write("huge.json", "{");
  ASSERT_EQ(truncate(path.c_str(), off_t{1} << 30), 0);
  const int64_t before = peak_memory();
  EXPECT_THAT(refusal([&] { load_experiment(path); }), HasSubstr("at most"));
  EXPECT_LT(peak_memory() - before, int64_t{100} << 20);
}

// Sixty megabytes of text may hold twenty million values, each far larger in memory.
TEST_F(Configuration, cfg_types_dupes_TheNumberOfValuesIsBounded) {
  const int64_t before = peak_memory();
  for (const std::string value : {"[],", "{},", "0,", "\"\","}) {
    std::string text = "[";
    while (text.size() < (size_t{60} << 20)) text += value;
    text.back() = ']';
    EXPECT_THAT(refusal([&] { parse_json(text, "many.json"); }), HasSubstr("more than 4000000"));
  }
  EXPECT_LT(peak_memory() - before, int64_t{1} << 30);
}

// A grammar's slips: a token of the text goes, comes twice, or changes places with another.
std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> tokens;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (text[at] == '"') {
      end = text.find('"', end) + 1;
    } else if (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '-') {
      end = std::min(text.find_first_of(",:{}[]\" \n", end), text.size());
    }
    tokens.push_back(text.substr(at, end - at));
    at = end;
  }
  return tokens;
}

std::string slip(std::vector<std::string> tokens, std::mt19937_64& random) {
  static const std::vector<std::string> kForeign = {"NaN",
                                                    "1e999",
                                                    "-0",
                                                    "9223372036854775808",
                                                    "\"\\ud800\"",
                                                    "null",
                                                    "[",
                                                    "}",
                                                    "\"x\"",
                                                    "true",
                                                    "1e-9",
                                                    "\"example\"",
                                                    "\"none\"",
                                                    "0.5",
                                                    "{\"kind\":\"adam\"}"};
  for (uint64_t n = 1 + random() % 3; n > 0; --n) {
    const size_t a = random() % tokens.size();
    const size_t b = random() % tokens.size();
    switch (random() % 4) {
      case 0:
        tokens[a].clear();
        break;
      case 1:
        tokens[a] += tokens[a];
        break;
      case 2:
        std::swap(tokens[a], tokens[b]);
        break;
      default:
        tokens[a] = kForeign[random() % kForeign.size()];
    }
  }
  std::string text;
  for (const auto& token : tokens) text += token;
  return text;
}

void fuzz(int trials) {
  std::vector<std::vector<std::string>> seeds;
  for (const char* privacy : {R"({"unit": "none"})", kPrivate})
    seeds.push_back(tokens_of(to_json(parsed(document(privacy))).dump()));
  std::mt19937_64 random(20261121);
  int accepted = 0;
  for (int i = 0; i < trials; ++i) {
    const std::string text = slip(seeds[random() % seeds.size()], random);
    try {
      const Experiment experiment = parsed(text);
      ASSERT_EQ(parse_experiment(to_json(experiment), "again"), experiment) << text;
      ++accepted;
    } catch (const InputError& error) {
      const std::string problem = error.what();
      ASSERT_THAT(problem, StartsWith("x.json: ")) << text;
      ASSERT_EQ(problem.find('\n'), std::string::npos) << text;
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, trials / 2);
}

TEST_F(Configuration, cfg_fuzz_FiveThousandSlips) { fuzz(5'000); }
TEST_F(Configuration, cfg_fuzz_CampaignOfFiftyThousandSlips) { fuzz(50'000); }

}  // namespace
}  // namespace starling::reliability
