#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <iterator>
#include <sstream>

#include "cli/commands.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/json.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/ledger.h"

namespace starling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

// Puts a stream's buffer back, whatever happens.
class Redirect {
 public:
  Redirect(std::ios& stream, std::streambuf* buffer)
      : stream_(stream), before_(stream.rdbuf(buffer)) {}
  ~Redirect() { stream_.rdbuf(before_); }

 private:
  std::ios& stream_;
  std::streambuf* before_;
};

std::string output_of(Words words, const std::string& input = "") {
  words.insert(words.begin(), "privacy");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  std::ostringstream out;
  std::istringstream in(input);
  const Redirect redirected_out(std::cout, out.rdbuf());
  const Redirect redirected_in(std::cin, in.rdbuf());
  EXPECT_EQ(cli::privacy_command(static_cast<int>(argv.size()), argv.data()), 0);
  return out.str();
}

Json json_of(Words words, const std::string& input = "") {
  words.push_back("--json");
  return parse_json(output_of(words, input), "output");
}

std::string error_of(const Words& words, const std::string& input = "") {
  try {
    output_of(words, input);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

const Words kCommon{"--sample-rate", "0.01", "--noise-multiplier", "1.1", "--steps", "10000",
                    "--delta",       "1e-5"};

double rdp_epsilon(double rate, double noise, int64_t steps, double delta) {
  const std::vector<Event> events{Event{GaussianMechanism{noise}, PoissonSampling{rate}, steps}};
  return make_accountant("rdp")->epsilon(events, Relation::add_remove, delta).epsilon;
}

class PrivacyCliTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "privacy_cli_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string folder_;
};

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

class LedgerCliTest : public PrivacyCliTest {
 protected:
  static LedgerEntry entry(Unit unit, int64_t client, int64_t round, double noise) {
    LedgerEntry result;
    result.run = "r";
    result.unit = unit;
    result.client = client;
    result.round = round;
    result.relation = Relation::add_remove;
    result.event = Event{GaussianMechanism{noise}, PoissonSampling{0.1}, 1};
    result.count = 10;
    return result;
  }

  PrivacyLedger written(bool server = false) {
    PrivacyLedger ledger = PrivacyLedger::open(path("ledger.jsonl"));
    for (int64_t round = 0; round < 3; ++round) {
      ledger.record({entry(Unit::example, 0, round, 2.0), entry(Unit::example, 1, round, 1.5)});
      if (server) ledger.record(entry(Unit::client, -1, round, 4.0));
    }
    return ledger;
  }

  std::string head_text(const PrivacyLedger& ledger) {
    return std::to_string(ledger.head().lines) + ":" + ledger.head().hash;
  }
};

TEST_F(LedgerCliTest, EpsilonIsRecomputedFromTheLedgerAlone) {
  const PrivacyLedger ledger = written();
  const Json answer = json_of({"epsilon", "--ledger", path("ledger.jsonl"), "--delta", "1e-5"});
  const Json direct = json_of({"epsilon", "--sample-rate", "0.1", "--noise-multiplier", "1.5",
                               "--steps", "30", "--delta", "1e-5"});
  EXPECT_EQ(answer["epsilon"], direct["epsilon"]);
  EXPECT_EQ(answer["rdp"]["epsilon"], direct["rdp"]["epsilon"]);
  EXPECT_EQ(answer["ledger"]["lines"], 6);
  EXPECT_EQ(answer["ledger"]["hash"], ledger.head().hash);
  EXPECT_EQ(answer["levels"].size(), 1u);
  EXPECT_THAT(output_of({"epsilon", "--ledger", path("ledger.jsonl")}),
              AllOf(HasSubstr("hash chain whole"), HasSubstr("largest of 2 clients"),
                    HasSubstr("client 1")));
}

TEST_F(LedgerCliTest, BothLevelsAreReportedApart) {
  written(true);
  const Json answer = json_of({"epsilon", "--ledger", path("ledger.jsonl")});
  ASSERT_EQ(answer["levels"].size(), 2u);
  EXPECT_EQ(answer["levels"][0]["unit"], "example");
  EXPECT_EQ(answer["levels"][1]["unit"], "client");
  EXPECT_LT(answer["levels"][1]["epsilon"].get<double>(),
            answer["levels"][0]["epsilon"].get<double>());
}

TEST_F(LedgerCliTest, OverlapCountsEveryClientOfOnePerson) {
  written();
  const Json answer = json_of({"epsilon", "--ledger", path("ledger.jsonl"), "--overlap", "2"});
  ASSERT_EQ(answer["levels"].size(), 2u);
  EXPECT_GT(answer["levels"][1]["epsilon"].get<double>(),
            answer["levels"][0]["epsilon"].get<double>());
}

TEST_F(LedgerCliTest, DeltaIsThatOfTheExperimentBesideTheLedger) {
  written();
  const Words words{"epsilon", "--ledger", path("ledger.jsonl")};
  EXPECT_EQ(json_of(words)["delta"].get<double>(), 1e-5);
  write_file_atomically(path("experiment.json"), R"({"privacy": {"delta": 1e-07}})");
  EXPECT_EQ(json_of(words)["delta"].get<double>(), 1e-7);
  EXPECT_EQ(json_of(with(words, {"--delta", "1e-3"}))["delta"].get<double>(), 1e-3);
}

TEST_F(LedgerCliTest, TamperedAndTruncatedLedgersAreRefusedByLine) {
  const PrivacyLedger ledger = written();
  std::string text = read_file(path("ledger.jsonl"));
  std::string tampered = text;
  tampered.replace(tampered.find("\"count\":10,\"stream\""), 10, "\"count\":01");
  write_file_atomically(path("tampered.jsonl"), tampered);
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("tampered.jsonl")}),
              HasSubstr("tampered.jsonl: line 1: was changed"));
  text.erase(text.rfind('\n', text.size() - 2) + 1);
  write_file_atomically(path("short.jsonl"), text);
  EXPECT_EQ(error_of({"epsilon", "--ledger", path("short.jsonl")}), "accepted");
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("short.jsonl"), "--head", head_text(ledger)}),
              HasSubstr("the end was cut off"));
  EXPECT_EQ(error_of({"epsilon", "--ledger", path("ledger.jsonl"), "--head", head_text(ledger)}),
            "accepted");
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("ledger.jsonl"), "--head", "6"}),
              HasSubstr("LINES:HASH"));
}

TEST_F(LedgerCliTest, ARunFolderIsCheckedAgainstTheHeadOfItsRecord) {
  const PrivacyLedger ledger = written();
  const Json statement{{"ledger_lines", ledger.head().lines}, {"ledger_head", ledger.head().hash}};
  write_file_atomically(path("run.json"), Json{{"privacy", Json::array({statement})}}.dump());
  EXPECT_THAT(output_of({"epsilon", "--ledger", folder_}), HasSubstr("run.json beside it"));
  std::string text = read_file(path("ledger.jsonl"));
  text.erase(text.rfind('\n', text.size() - 2) + 1);
  write_file_atomically(path("ledger.jsonl"), text);
  EXPECT_THAT(error_of({"epsilon", "--ledger", folder_}), HasSubstr("the end was cut off"));
}

TEST_F(LedgerCliTest, EmptyAndAbsentLedgersAreInputErrors) {
  write_file_atomically(path("empty.jsonl"), "");
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("empty.jsonl")}), HasSubstr("no release"));
  EXPECT_THAT(error_of({"epsilon", "--ledger", path("none.jsonl")}), HasSubstr("none.jsonl"));
}

TEST_F(LedgerCliTest, CurveFollowsTheRounds) {
  written();
  const Json curve = json_of({"curve", "--ledger", path("ledger.jsonl"), "--delta", "1e-5"});
  ASSERT_EQ(curve["points"].size(), 3u);
  EXPECT_EQ(curve["points"][2]["rounds"], 3);
  EXPECT_EQ(curve["points"][2]["epsilon"],
            json_of({"epsilon", "--ledger", path("ledger.jsonl"), "--delta", "1e-5"})["epsilon"]);
  EXPECT_LT(curve["points"][0]["epsilon"].get<double>(),
            curve["points"][1]["epsilon"].get<double>());
}

TEST_F(LedgerCliTest, ExplainGathersTheLines) {
  written(true);
  EXPECT_THAT(output_of({"explain", "--ledger", path("ledger.jsonl")}),
              AllOf(HasSubstr("noise multiplier 1.5"),
                    HasSubstr("6 ledger lines at example level under add_remove: 2 clients, "
                              "rounds 0 to 2\n  2 kinds of Gaussian noise (noise multiplier 1.5 to "
                              "2) on Poisson samples (rate 0.1), 60 times in all"),
                    HasSubstr("3 ledger lines at client level under add_remove: the server, "
                              "rounds 0 to 2")));
}

TEST_F(LedgerCliTest, SeveralExamplesAtOneClientAreBoundedAsAGroup) {
  written();
  const Words words{"epsilon", "--ledger", path("ledger.jsonl"), "--overlap-examples", "2"};
  const Json answer = json_of(words);
  ASSERT_EQ(answer["levels"].size(), 2u);
  EXPECT_THAT(answer["levels"][1]["detail"].get<std::string>(), HasSubstr("group of 2"));
  EXPECT_GT(answer["levels"][1]["epsilon"].get<double>(),
            answer["levels"][0]["epsilon"].get<double>());
  EXPECT_THAT(output_of(words), HasSubstr("a person with up to 2 examples at each of up to 1"));
}

}  // namespace
}  // namespace starling
