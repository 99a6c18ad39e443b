#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <sstream>

#include "cli/privacy_program.h"
#include "starling/core/files.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/event_json.h"

namespace starling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const Words kCommon{"--sample-rate", "0.01", "--noise-multiplier", "1.1", "--steps", "10000",
                    "--delta",       "1e-5"};

double rdp_epsilon(double rate, double noise, int64_t steps, double delta) {
  const std::vector<Event> events{Event{GaussianMechanism{noise}, PoissonSampling{rate}, steps}};
  return make_accountant("rdp")->epsilon(events, Relation::add_remove, delta).epsilon;
}

TEST_F(PrivacyCliTest, EpsilonMatchesTheLibraryAndIsNeverAboveRdp) {
  const Json answer = json_of(with({"epsilon"}, kCommon));
  const double rdp = rdp_epsilon(0.01, 1.1, 10000, 1e-5);
  EXPECT_EQ(answer["rdp"]["epsilon"].get<double>(), rdp);
  EXPECT_LE(answer["epsilon"].get<double>(), rdp);
  EXPECT_GT(answer["epsilon"].get<double>(), 0.8 * rdp);
  EXPECT_EQ(answer["delta"].get<double>(), 1e-5);
  EXPECT_EQ(answer["relation"], "add_remove");
  EXPECT_TRUE(answer.contains("accountant"));
  EXPECT_TRUE(answer.contains("error"));
}

TEST_F(PrivacyCliTest, EpsilonIsOneSentenceWithBothAccountants) {
  const std::string text = output_of(with({"epsilon"}, kCommon));
  EXPECT_THAT(text, AllOf(HasSubstr("-differential privacy: adding or removing one record"),
                          HasSubstr("factor of at most e^"), HasSubstr("\n  rdp ")));
}

TEST_F(PrivacyCliTest, ExamplesBatchAndEpochsAreRateAndSteps) {
  const Json direct = json_of(with({"epsilon"}, kCommon));
  const Json counted = json_of({"epsilon", "--examples", "60000", "--batch", "600", "--epochs",
                                "100", "--noise-multiplier", "1.1", "--delta", "1e-5"});
  EXPECT_EQ(direct["epsilon"], counted["epsilon"]);
  EXPECT_EQ(json_of({"epsilon", "--examples", "60000", "--batch", "600", "--epochs", "1",
                     "--noise-multiplier", "1.1"})["delta"]
                .get<double>(),
            1e-6);
}

TEST_F(PrivacyCliTest, EventsComeFromAFileOrStandardInput) {
  const std::string events =
      R"({"relation": "add_remove", "events": [{"mechanism": "gaussian", "noise_multiplier": 1.1,
          "sampling": {"kind": "poisson", "rate": 0.01}, "count": 10000}]})";
  write_file_atomically(path("events.json"), events);
  const Json expected = json_of(with({"epsilon"}, kCommon));
  EXPECT_EQ(json_of({"epsilon", "--delta", "1e-5", "--events", path("events.json")}), expected);
  EXPECT_EQ(json_of({"epsilon", "--delta", "1e-5", "--events", "-"}, events), expected);
}

TEST_F(PrivacyCliTest, ZeroNoiseZeroDeltaAndZeroEpsilonAnswerInfinity) {
  Words words = with({"epsilon"}, kCommon);
  words[4] = "0";
  EXPECT_EQ(json_of(words)["epsilon"], "inf");
  EXPECT_THAT(output_of(words), StartsWith("NO DP GUARANTEE"));
  words = with({"epsilon"}, kCommon);
  words[8] = "0";
  EXPECT_EQ(json_of(words)["epsilon"], "inf");
  const Words target{"noise", "--steps", "10", "--epsilon", "0", "--delta", "1e-5"};
  EXPECT_EQ(json_of(target)["noise_multiplier"], "inf");
  EXPECT_THAT(output_of(target), StartsWith("No finite noise"));
}

TEST_F(PrivacyCliTest, EventsWithoutNoiseHaveNoGuarantee) {
  EXPECT_EQ(json_of({"epsilon", "--events", "-"}, R"([{"mechanism": "none"}])")["epsilon"], "inf");
}

TEST_F(PrivacyCliTest, WhatGuaranteesNothingSaysSo) {
  const Words noise{"epsilon", "--sample-rate", "0.1", "--steps", "9", "--noise-multiplier"};
  EXPECT_EQ(json_of(with(noise, {"1"}))["guarantee"], "dp");
  for (const Words& more : {Words{"0"}, Words{"1", "--delta", "0"}, Words{"1", "--delta", "1"}}) {
    EXPECT_THAT(output_of(with(noise, more)), StartsWith("NO DP GUARANTEE"));
    EXPECT_EQ(json_of(with(noise, more))["guarantee"], "none");
  }
}

TEST_F(PrivacyCliTest, ADeltaThatLetsSingleRecordsBePublishedIsNamed) {
  const std::string complaint = "DELTA IS TOO LARGE: 0.01 is not below 1 / n for 100 records";
  const Words size{"--examples", "100", "--batch", "10", "--epochs", "1", "--delta"};
  const Words epsilon = with({"epsilon", "--noise-multiplier", "1"}, size);
  const Words noise = with({"noise", "--epsilon", "1"}, size);
  for (const Words& words : {epsilon, noise}) {
    EXPECT_THAT(output_of(with(words, {"0.01"})), HasSubstr(complaint));
    EXPECT_THAT(output_of(with(words, {"0.009"})), Not(HasSubstr("DELTA")));
  }
}

TEST_F(PrivacyCliTest, CalibratedNoiseMeetsItsTargetWhenAskedBack) {
  for (const std::string accountant : {"", "rdp"}) {
    const Words by = accountant.empty() ? Words{} : Words{"--accountant", accountant};
    const Json noise = json_of(
        with(by.empty() ? Words{"noise"} : Words{"noise", by[0], by[1]},
             {"--epsilon", "2", "--delta", "1e-5", "--sample-rate", "0.01", "--steps", "1000"}));
    const Json back = json_of(with(
        with({"epsilon"}, by), {"--noise-multiplier", noise["noise_multiplier"].dump(), "--delta",
                                "1e-5", "--sample-rate", "0.01", "--steps", "1000"}));
    EXPECT_LE(back["epsilon"].get<double>(), 2.0);
    EXPECT_GT(back["epsilon"].get<double>(), 1.99);
    EXPECT_EQ(back["epsilon"], noise["epsilon"]);
  }
}

TEST_F(PrivacyCliTest, LargerRateThanAnsweredPassesTheTarget) {
  const Words common{"--delta", "1e-5", "--noise-multiplier", "1.5", "--steps", "1000"};
  const Json answer = json_of(with({"rate", "--epsilon", "3"}, common));
  const double rate = answer["sample_rate"].get<double>();
  const auto epsilon = [&](double q) {
    return json_of(with(with({"epsilon"}, common), {"--sample-rate", number_text(q)}))["epsilon"]
        .get<double>();
  };
  EXPECT_LE(epsilon(rate), 3.0);
  EXPECT_GT(epsilon(1.0001 * rate), 3.0);
  EXPECT_THAT(output_of(with({"rate", "--epsilon", "3"}, common)), HasSubstr("Sample rate 0.0"));
  EXPECT_THAT(output_of({"rate", "--help"}), HasSubstr("starling privacy rate --"));
}

TEST_F(PrivacyCliTest, OneMoreStepThanAnsweredPassesTheTarget) {
  const Words common{"--delta", "1e-5", "--sample-rate", "0.01", "--noise-multiplier", "1.5"};
  const Json answer = json_of(with({"steps", "--epsilon", "3"}, common));
  const int64_t steps = answer["steps"].get<int64_t>();
  const auto epsilon = [&](int64_t count) {
    return json_of(with(with({"epsilon"}, common), {"--steps", std::to_string(count)}))["epsilon"]
        .get<double>();
  };
  EXPECT_LE(epsilon(steps), 3.0);
  EXPECT_GT(epsilon(steps + 1), 3.0);
  EXPECT_GE(steps, 7724);  // what rdp alone allows
}

TEST_F(PrivacyCliTest, StepsOfAnEventListRepeatTheWholeList) {
  const std::string round =
      R"([{"mechanism": "gaussian", "noise_multiplier": 20.0},
          {"mechanism": "gaussian", "noise_multiplier": 20.0}])";
  const Json pair = json_of({"steps", "--epsilon", "1", "--delta", "1e-5", "--events", "-"}, round);
  const Json one =
      json_of({"steps", "--epsilon", "1", "--delta", "1e-5", "--noise-multiplier", "20"});
  EXPECT_EQ(pair["steps"].get<int64_t>(), one["steps"].get<int64_t>() / 2);
}

TEST_F(PrivacyCliTest, DeltaAtTheAnsweredEpsilonIsTheDeltaGiven) {
  const Json epsilon = json_of(with({"epsilon", "--accountant", "rdp"}, kCommon));
  Words back{"delta", "--accountant", "rdp", "--epsilon", epsilon["epsilon"].dump()};
  back.insert(back.end(), kCommon.begin(), kCommon.begin() + 6);
  EXPECT_NEAR(json_of(back)["delta"].get<double>(), 1e-5, 1e-9);
}

TEST_F(PrivacyCliTest, DeltaClaimsNoErrorOfAnEpsilonThatWasGiven) {
  Words words{"delta", "--epsilon", "2"};
  words.insert(words.end(), kCommon.begin(), kCommon.begin() + 6);
  EXPECT_THAT(output_of(words), Not(HasSubstr("above the exact value")));
}

TEST_F(PrivacyCliTest, RdpOnlyEventsAreAnsweredByRdpAndSaidSo) {
  const Words words{"epsilon", "--sampling", "fixed",   "--examples", "1000",
                    "--batch", "10",         "--steps", "100",        "--noise-multiplier",
                    "3",       "--delta",    "1e-5"};
  const Json answer = json_of(words);
  EXPECT_EQ(answer["accountant"], "rdp");
  EXPECT_EQ(answer["relation"], "replace_one");
  EXPECT_EQ(answer["label"], "bound");
  EXPECT_THAT(output_of(words), HasSubstr("exact does not answer"));
  EXPECT_NE(error_of(with(words, {"--accountant", "exact"})), "accepted");
}

TEST_F(PrivacyCliTest, ShuffleClaimsNoAmplification) {
  const Json shuffled =
      json_of({"epsilon", "--sampling", "shuffle", "--examples", "1000", "--batch", "10",
               "--epochs", "5", "--noise-multiplier", "3", "--delta", "1e-5"});
  const Json plain = json_of({"epsilon", "--steps", "5", "--noise-multiplier", "3", "--delta",
                              "1e-5", "--relation", "zero_out"});
  EXPECT_EQ(shuffled["epsilon"], plain["epsilon"]);
}

TEST_F(PrivacyCliTest, CurveEndsAtTheWholeAndGrows) {
  const std::string csv =
      output_of(with({"curve", "--points", "4", "--accountant", "rdp"}, kCommon));
  std::istringstream lines(csv);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "steps,epsilon_rdp");
  double before = -1.0;
  int64_t at = -1;
  int count = 0;
  while (std::getline(lines, line)) {
    at = std::stoll(line);
    const double epsilon = std::stod(line.substr(line.find(',') + 1));
    EXPECT_GT(epsilon, before);
    before = epsilon;
    ++count;
  }
  EXPECT_EQ(count, 5);
  EXPECT_EQ(at, 10000);
  EXPECT_EQ(before, rdp_epsilon(0.01, 1.1, 10000, 1e-5));
}

TEST_F(PrivacyCliTest, CurveDrawsAnSvgFile) {
  output_of(with({"curve", "--out", path("c.svg"), "--points", "5"}, kCommon));
  const std::string svg = read_file(path("c.svg"));
  EXPECT_THAT(svg, AllOf(StartsWith("<svg "), HasSubstr("<polyline"), HasSubstr("</svg>"),
                         Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
  EXPECT_THAT(error_of(with({"curve", "--out", path("c.png")}, kCommon)), HasSubstr("--out"));
}

TEST_F(PrivacyCliTest, CompareListsEveryAccountant) {
  const Json answer = json_of(with({"compare"}, kCommon));
  EXPECT_EQ(answer["accountants"].size(), 3u);
  EXPECT_THAT(output_of(with({"compare"}, kCommon)),
              AllOf(HasSubstr("rdp     epsilon "), HasSubstr("gdp     epsilon "),
                    HasSubstr("NOT a bound")));
  EXPECT_EQ(answer["gdp"]["label"], "not a bound");
}

TEST_F(PrivacyCliTest, ExplainBoundsWhatAnAttackerGains) {
  const Json answer = json_of(with({"explain"}, kCommon));
  const double advantage = answer["membership"]["advantage"].get<double>();
  const double found = answer["membership"]["true_positive_at_1_percent"].get<double>();
  EXPECT_GT(advantage, 0.1);
  EXPECT_LE(advantage, 1.0);
  EXPECT_GT(found, 0.01);
  EXPECT_LE(found, advantage + 0.01 + 1e-12);
  EXPECT_THAT(output_of(with({"explain"}, kCommon)), HasSubstr("No attack that decides"));
}

// Of (epsilon, delta)-privacy at every epsilon of the curve: the rows follow from delta(0) too.
TEST_F(PrivacyCliTest, ExplainPrintsTheTradeOff) {
  const Json answer = json_of(with({"explain"}, kCommon));
  ASSERT_EQ(answer["trade_off"].size(), 6u);
  const double advantage = answer["membership"]["advantage"].get<double>();
  double before = 1.0;
  for (const Json& row : answer["trade_off"]) {
    const double one = row["type_one"].get<double>(), two = row["type_two"].get<double>();
    EXPECT_GE(two, 1.0 - one - advantage - 1e-9) << row;
    EXPECT_LE(two, 1.0 - one) << row;
    EXPECT_LE(two, before) << row;
    before = two;
  }
  EXPECT_EQ(answer["trade_off"][1]["type_one"], 0.01);
  EXPECT_EQ(1.0 - answer["trade_off"][1]["type_two"].get<double>(),
            answer["membership"]["true_positive_at_1_percent"].get<double>());
  EXPECT_THAT(output_of(with({"explain"}, kCommon)),
              HasSubstr("type II errors (misses), at least"));
}

TEST_F(PrivacyCliTest, ExplainTakesAnEpsilon) {
  const Words plain{"--sample-rate", "0.01", "--noise-multiplier", "1.1", "--steps", "10000"};
  const Json at = json_of(with(with({"explain"}, plain), {"--epsilon", "3"}));
  const Json delta = json_of(with(with({"delta"}, plain), {"--epsilon", "3"}));
  EXPECT_EQ(at["delta"], delta["delta"]);
  EXPECT_EQ(at["epsilon"].get<double>(), 3.0);
  EXPECT_THAT(error_of(with(with({"explain"}, plain), {"--epsilon", "3", "--delta", "1e-5"})),
              HasSubstr("--delta: follows from --epsilon"));
}

TEST_F(PrivacyCliTest, ExplainGathersReleasesThatDifferInNumbersOnly) {
  const std::string events = R"({"relation": "zero_out", "events": [
    {"mechanism": "gaussian", "noise_multiplier": 1.5, "count": 3, "sampling": {"kind": "poisson", "rate": 0.1}},
    {"mechanism": "gaussian", "noise_multiplier": 1.5, "count": 4, "sampling": {"kind": "poisson", "rate": 0.2}},
    {"mechanism": "gaussian", "noise_multiplier": 9.0},
    {"mechanism": "laplace", "scale": 50.0}]})";
  EXPECT_THAT(
      output_of({"explain", "--events", "-"}, events),
      AllOf(HasSubstr("2 kinds of Gaussian noise (noise multiplier 1.5) on Poisson samples "
                      "(rate 0.1 to 0.2), 7 times in all"),
            HasSubstr("(noise multiplier 9), once"), HasSubstr("50"), Not(HasSubstr("3 kinds"))));
}

TEST_F(PrivacyCliTest, EveryQuestionHasHelpWithAnExample) {
  for (const std::string question :
       {"epsilon", "noise", "steps", "delta", "curve", "compare", "explain"}) {
    EXPECT_THAT(output_of({question, "--help"}),
                AllOf(HasSubstr("starling privacy " + question + " --"), HasSubstr("--events")));
    EXPECT_THAT(output_of({}), HasSubstr("\n  " + question + " "));
  }
  EXPECT_EQ(output_of({}), output_of({"--help"}));
}

TEST_F(PrivacyCliTest, WrongFlagsNameValueRangeAndRemedy) {
  const std::vector<std::pair<Words, std::string>> wrong{
      {{"epsilom"}, "did you mean \"epsilon\"?"},
      {{"epsilon", "--sampel-rate", "1"}, "did you mean \"sample-rate\"?"},
      {{"epsilon", "--steps"}, "--steps: needs a value"},
      {{"epsilon", "--steps", "--json"}, "--steps: needs a value"},
      {{"epsilon", "--steps", "3", "--steps=4"}, "--steps: is given twice"},
      {{"epsilon", "10"}, "\"10\" is not a flag"},
      {{"epsilon", "-x"}, "\"-x\" is not a flag"},
      {{"epsilon", "--noise-multiplier", "1"}, "--steps: is missing"},
      {{"epsilon", "--steps", "1"}, "--noise-multiplier: is missing"},
      {{"noise", "--steps", "1"}, "--epsilon: is missing"},
      {{"noise", "--noise-multiplier", "1"}, "--noise-multiplier: is not a flag"},
      {{"epsilon", "--noise-multiplier", "1", "--steps", "1.5"}, "1.5 is not a whole number"},
      {{"epsilon", "--noise-multiplier", "1", "--steps", "-1"}, "--steps: -1 is outside 0.."},
      {{"epsilon", "--noise-multiplier", "nan", "--steps", "1"}, "--noise-multiplier: nan"},
      {{"epsilon", "--noise-multiplier", "1x", "--steps", "1"}, "\"1x\" is not a number"},
      {{"epsilon", "--noise-multiplier", "1", "--steps", "1", "--sample-rate", "1.5"},
       "--sample-rate: 1.5 is outside [0, 1]"},
      {{"epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "2"},
       "--delta: 2 is outside [0, 1]"},
      {{"epsilon", "--noise-multiplier", "1", "--examples", "5", "--steps", "1"},
       "--batch: goes with --examples"},
      {{"noise", "--epsilon", "1", "--examples", "5", "--batch", "6", "--steps", "1"},
       "--batch: 6 is above the 5 of --examples"},
      {{"epsilon", "--noise-multiplier", "1", "--epochs", "5"}, "--epochs: needs --examples"},
      {{"epsilon", "--noise-multiplier", "1", "--steps", "1", "--relation", "add_remov"},
       "did you mean \"add_remove\"?"},
      {{"epsilon", "--noise-multiplier", "1", "--steps", "1", "--accountant", "rpd"},
       "did you mean \"rdp\"?"},
      {{"epsilon", "--noise-multiplier", "1", "--steps", "1", "--head", "1:2"},
       "--head: goes with --ledger"},
      {{"epsilon", "--events", "-", "--steps", "3"}, "--steps: does not go with --events"},
      {{"epsilon", "--events", "/does/not/exist"}, "/does/not/exist"},
      {{"epsilon", "--sampling", "poison", "--noise-multiplier", "1", "--steps", "1"},
       "did you mean \"poisson\"?"},
      {{"epsilon", "--sampling", "fixed", "--noise-multiplier", "1", "--steps", "1"},
       "needs --examples and --batch"}};
  for (const auto& [words, message] : wrong) {
    EXPECT_THAT(error_of(words), HasSubstr(message)) << message;
  }
}

TEST_F(PrivacyCliTest, WrongEventsNameThePointer) {
  EXPECT_THAT(error_of({"epsilon", "--events", "-"}, R"([{"mechanism": "gaussian"}])"),
              HasSubstr("standard input: /events/0: \"noise_multiplier\" is missing"));
  EXPECT_THAT(error_of({"epsilon", "--events", "-", "--relation", "zero_out"},
                       R"({"relation": "add_remove", "events": []})"),
              HasSubstr("--relation: zero_out differs from the file's add_remove"));
}

// Blocks of the README that begin with a command: every line below it is what the program prints.
TEST_F(PrivacyCliTest, TheReadmesSampleOutputsAreWhatIsPrinted) {
  std::istringstream readme(
      read_file(std::string(STARLING_SOURCE_DIR) + "/include/starling/privacy/README.md"));
  int shown = 0;
  for (std::string line; std::getline(readme, line);) {
    if (line != "```") continue;
    std::string command, expected;
    std::getline(readme, command);
    while (std::getline(readme, line) && line != "```") expected += line + "\n";
    if (!command.starts_with("starling privacy ")) continue;
    std::istringstream words(command);
    Words argv{std::istream_iterator<std::string>(words), {}};
    argv.erase(argv.begin(), argv.begin() + 2);
    EXPECT_EQ(output_of(argv), expected) << command;
    ++shown;
  }
  EXPECT_GE(shown, 2);
}

// Those of the project's README, where "..." stands for what is left out.
TEST_F(PrivacyCliTest, TheToursSampleOutputsAreWhatIsPrinted) {
  std::istringstream readme(read_file(std::string(STARLING_SOURCE_DIR) + "/README.md"));
  int shown = 0;
  std::string output;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("$ starling privacy ") && line.find("--ledger") == std::string::npos) {
      std::istringstream words(line);
      Words argv{std::istream_iterator<std::string>(words), {}};
      argv.erase(argv.begin(), argv.begin() + 3);
      output = output_of(argv);
      ++shown;
    } else if (line.starts_with("$ ") || line.starts_with("```")) {
      output.clear();
    } else if (!output.empty() && line != "..." && !line.empty()) {
      if (line.ends_with("...")) line.resize(line.size() - 3);
      EXPECT_THAT(output, HasSubstr(line));
    }
  }
  EXPECT_GE(shown, 4);
}

}  // namespace
}  // namespace starling
