#include "starling/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "report/format.h"
#include "report/markup.h"
#include "report/records.h"
#include "report/sections.h"
#include "starling/core/error.h"
#include "starling/report/html.h"

namespace starling {
namespace {

using test::plain_record;
using test::private_record;
using test::seeded_record;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

RunRecord infinite_record() {
  RunRecord record = private_record();
  record.privacy[0].epsilon = kInfinity;
  record.privacy[0].rdp_epsilon = kInfinity;
  record.clients[0].epsilon = kInfinity;
  record.rounds[3].epsilon = kInfinity;
  return record;
}

std::vector<RunRecord> all_records() {
  RunRecord empty;
  empty.experiment = Json::object();
  return {plain_record(), private_record(), seeded_record(), infinite_record(), empty};
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST(Record, ParseOfWrittenIsTheSame) {
  for (const auto& record : all_records()) {
    const std::string text = to_json(record).dump(2);
    EXPECT_EQ(parse_record(parse_json(text, "run.json"), "run.json"), record);
  }
}

TEST(Record, RefusesUnknownKeysAndWrongValues) {
  const auto refused = [](const char* pointer, const Json& value) {
    Json json = to_json(private_record());
    json[Json::json_pointer(pointer)] = value;
    try {
      parse_record(json, "run.json");
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refused("/zzzz", 1), StartsWith("run.json: /zzzz: is not a known key"));
  EXPECT_THAT(refused("/privacy/0/epsilon", "many"), StartsWith("run.json: /privacy/0/epsilon: "));
  EXPECT_THAT(refused("/privacy/0/epsilon", -1), StartsWith("run.json: /privacy/0/epsilon: "));
  EXPECT_THAT(refused("/privacy/0/guarantee", "yes"),
              StartsWith("run.json: /privacy/0/guarantee: "));
  EXPECT_THAT(refused("/rounds/2/accuracy", 1.5), StartsWith("run.json: /rounds/2/accuracy: "));
  EXPECT_THAT(refused("/clients/0/steps", 0.5), StartsWith("run.json: /clients/0/steps: "));
}

TEST(Record, IsReadFromItsFolderOrFile) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "record_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "run.json") << to_json(private_record()).dump();
  EXPECT_EQ(read_record(folder.string()), private_record());
  EXPECT_EQ(read_record((folder / "run.json").string()), private_record());
  std::filesystem::remove_all(folder);
  EXPECT_THROW(read_record(folder.string()), InputError);
}

TEST(Claim, SaysEpsilonDeltaRelationAndAdversary) {
  EXPECT_EQ(
      privacy_claim(private_record()),
      "(epsilon, delta)-differential privacy with epsilon = 8.00 (an upper bound, rounded up) "
      "and delta = 1e-5 when one training example is replaced by nothing (zero-out), against "
      "anyone who sees every upload of every client and the global model of every round, the "
      "server included.");
  RunRecord record = private_record();
  record.privacy[0].relation = "replace_one";
  record.privacy[0].adversary = "final_model";
  EXPECT_THAT(privacy_claim(record), HasSubstr("replaced by any other, against anyone who sees the "
                                               "final model alone."));
}

TEST(Claim, WithoutNoiseThereIsNone) {
  EXPECT_THAT(privacy_claim(plain_record()), StartsWith("NO DP GUARANTEE."));
  EXPECT_THAT(privacy_claim(infinite_record()), StartsWith("NO DP GUARANTEE."));
  RunRecord record = private_record();
  record.privacy[0].delta = 1.0;
  EXPECT_THAT(privacy_claim(record), StartsWith("NO DP GUARANTEE."));
  record = private_record();
  record.privacy[0].guarantee = Guarantee::none;
  EXPECT_THAT(privacy_claim(record), StartsWith("NO DP GUARANTEE."));
}

TEST(Claim, InsecureSeedSaysSoFirst) {
  EXPECT_THAT(privacy_claim(seeded_record()), StartsWith("INSECURE SEED: NO DP GUARANTEE."));
  RunRecord record = seeded_record();
  record.privacy[0].epsilon = kInfinity;
  EXPECT_THAT(privacy_claim(record), StartsWith("INSECURE SEED: NO DP GUARANTEE."));
}

TEST(Text, BeginsWithTheClaim) {
  EXPECT_THAT(first_line(report_text(plain_record())), StartsWith("NO DP GUARANTEE."));
  EXPECT_THAT(first_line(report_text(seeded_record())),
              StartsWith("INSECURE SEED: NO DP GUARANTEE."));
  EXPECT_THAT(first_line(report_text(private_record())),
              StartsWith("(epsilon, delta)-differential privacy with epsilon = 8.00"));
}

TEST(Text, FitsTheTerminal) {
  std::istringstream lines(report_text(private_record()));
  const std::string hash = private_record().privacy[0].ledger_head;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(hash) == std::string::npos) {
      EXPECT_LE(line.size(), 80u) << line;
    }
  }
}

// The page's first words are the warning; where a guarantee holds there is none.
TEST(Page, OpensWithTheWarning) {
  const auto first_words = [](const RunRecord& record) {
    const std::string page = report_html(record);
    const size_t body = page.find("<body>") + 7;
    return page.substr(body, 80);
  };
  EXPECT_THAT(first_words(plain_record()),
              StartsWith("<div class=\"banner\">NO DP GUARANTEE</div>"));
  EXPECT_THAT(first_words(infinite_record()),
              StartsWith("<div class=\"banner\">NO DP GUARANTEE</div>"));
  EXPECT_THAT(first_words(seeded_record()),
              StartsWith("<div class=\"banner\">INSECURE SEED: NO DP GUARANTEE</div>"));
  EXPECT_THAT(report_html(private_record()), Not(HasSubstr("NO DP GUARANTEE")));
}

TEST(Page, ShowsNoEpsilonWhereNothingHolds) {
  EXPECT_THAT(report_html(private_record()), HasSubstr("class=\"bound\""));
  for (const auto& record : {plain_record(), seeded_record(), infinite_record()})
    EXPECT_THAT(report_html(record), Not(HasSubstr("class=\"bound\"")));
}

TEST(Page, IsWellFormed) {
  for (const auto& record : all_records()) EXPECT_EQ(test::markup_problem(report_html(record)), "");
}

TEST(Page, StandsAlone) {
  const std::string page = report_html(private_record());
  for (const char* reference : {"<script", "src=", "href=", "url(", "@import", "<link", "<iframe"})
    EXPECT_THAT(page, Not(HasSubstr(reference)));
  std::string rest = page;
  for (const std::string name : {"http://www.w3.org/2000/svg"})
    for (size_t at = rest.find(name); at != std::string::npos; at = rest.find(name))
      rest.erase(at, name.size());
  EXPECT_THAT(rest, Not(HasSubstr("://")));
}

TEST(Page, EscapesEveryWordOfTheRecord) {
  const std::string hostile = "</style><script>alert('x')</script>\"&";
  RunRecord record = private_record();
  record.name = record.id = record.description = record.started = record.status = hostile;
  record.experiment["name"] = hostile;
  record.experiment[hostile] = hostile;
  record.experiment["local"]["optimizer"]["kind"] = hostile;
  auto& p = record.privacy[0];
  p.relation = p.adversary = p.accountant = p.accountant_detail = p.clipping = hostile;
  p.noise = p.sampling = p.ledger_head = p.unit = hostile;
  record.environment = {{hostile, hostile}};
  const std::string page = report_html(record);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_EQ(test::count_of(page, "</style>"), 1);
  EXPECT_EQ(test::markup_problem(page), "");
}

TEST(Page, DrawsAccuracyLossAndEpsilon) {
  const std::string page = report_html(private_record());
  for (const char* title : {"Test accuracy", "Test loss", "Epsilon spent"})
    EXPECT_THAT(page, HasSubstr("<title>" + std::string(title) + "</title>"));
  EXPECT_THAT(page, HasSubstr("target 8"));
  EXPECT_THAT(report_html(plain_record()), Not(HasSubstr("Epsilon spent")));
}

TEST(Page, HidesPrivateNumbersOfExamples) {
  RunRecord record = private_record();
  record.privacy[0].relation = "add_remove";
  record.privacy[0].largest_client.reset();
  record.train_examples.reset();
  for (auto& client : record.clients) client.examples.reset();
  EXPECT_THAT(report_html(record), HasSubstr("<td>private</td>"));
  EXPECT_THAT(report_html(record), Not(HasSubstr("<td>1,000</td>")));
  EXPECT_THAT(report_text(record), Not(HasSubstr("1,000 ")));
  EXPECT_THAT(report_text(record), Not(HasSubstr("10,000 training")));
  EXPECT_THAT(report_html(record), Not(HasSubstr("10,000 training")));
}

TEST(NotCovered, IsNeverEmpty) {
  for (const auto& record : all_records()) {
    EXPECT_FALSE(not_covered(record).empty());
    EXPECT_THAT(report_text(record), HasSubstr("Not covered"));
    EXPECT_THAT(report_html(record), HasSubstr("Not covered"));
  }
}

TEST(NotCovered, NamesRevealedPrivateMetrics) {
  RunRecord record = private_record();
  record.privacy[0].reveal_private_metrics = true;
  EXPECT_THAT(not_covered(record).front(), StartsWith("Private metrics"));
}

TEST(NotCovered, NamesRoundingOfFastNoiseAndTimeOfSecureNoise) {
  RunRecord record = private_record();
  EXPECT_THAT(report_text(record), HasSubstr("low-order"));
  record.privacy[0].noise = "secure";
  EXPECT_THAT(report_text(record), Not(HasSubstr("low-order")));
  EXPECT_THAT(not_covered(record), Contains(HasSubstr("exact draw")));
}

TEST(Sections, NameWhatSurroundsARoundWhereThereIsSomething) {
  RunRecord record = plain_record();
  EXPECT_THAT(report_text(record), Not(HasSubstr("Aggregation")));
  record.experiment["aggregation"]["kind"] = "krum";
  record.experiment["attack"]["kind"] = "backdoor";
  record.experiment["communication"]["kind"] = "top_k";
  EXPECT_THAT(report_text(record), HasSubstr("Aggregation               krum"));
  EXPECT_THAT(report_text(record), HasSubstr("Attack tried              backdoor"));
  EXPECT_THAT(report_text(record), HasSubstr("Compression               top_k"));
}

TEST(Sections, FlagDeltaThatIsTooLargeAndWeakEpsilon) {
  RunRecord record = private_record();
  EXPECT_THAT(report_text(record), Not(HasSubstr("TOO LARGE")));
  record.privacy[0].delta = 1e-3;
  EXPECT_THAT(report_text(record), HasSubstr("TOO LARGE"));
  record.privacy[0].epsilon = 10.01;
  EXPECT_THAT(report_text(record), HasSubstr("WEAK (above 10)"));
  EXPECT_THAT(privacy_claim(record), HasSubstr("EPSILON IS WEAK: above 10"));
  record.privacy[0].epsilon = 10;
  EXPECT_THAT(privacy_claim(record), Not(HasSubstr("WEAK")));
}

// (e^epsilon - 1 + 2 delta) / (e^epsilon + 1), by hand.
TEST(Membership, MatchesHandValues) {
  EXPECT_NEAR(report::membership_advantage(1.0, 0.0), 0.46211715726, 1e-10);
  EXPECT_NEAR(report::membership_advantage(std::log(3.0), 0.1), 0.55, 1e-12);
  EXPECT_EQ(report::membership_advantage(kInfinity, 1e-5), 1.0);
  EXPECT_EQ(report::membership_advantage(0.0, 0.0), 0.0);
  EXPECT_NEAR(report::true_positive_rate(std::log(4.0), 1e-3, 1e-3), 0.005, 1e-12);
  EXPECT_NEAR(report::true_positive_rate(std::log(4.0), 0.0, 0.5), 0.875, 1e-12);
  EXPECT_EQ(report::true_positive_rate(kInfinity, 0.0, 1e-3), 1.0);
}

TEST(ByEpsilon, LargestFirstAndUnknownLast) {
  ClientRecord a, b, c;
  a.client = 1;
  b.client = 2;
  b.epsilon = 0.5;
  c.client = 3;
  c.epsilon = kInfinity;
  const auto sorted = report::by_epsilon({a, b, c});
  EXPECT_EQ(sorted[0].client, 3);
  EXPECT_EQ(sorted[1].client, 2);
  EXPECT_EQ(sorted[2].client, 1);
}

TEST(Format, RoundsBoundsUp) {
  EXPECT_EQ(report::rounded_up(7.991, 2), "8.00");
  EXPECT_EQ(report::rounded_up(8.0, 2), "8.00");
  EXPECT_EQ(report::rounded_up(1.1, 2), "1.10");
  EXPECT_EQ(report::rounded_up(1.1000001, 2), "1.11");
  EXPECT_EQ(report::rounded_up(0.0, 2), "0.00");
  EXPECT_EQ(report::rounded_up(1e-9, 2), "0.01");
  EXPECT_EQ(report::rounded_up(kInfinity, 2), "inf");
  EXPECT_EQ(report::rounded_up_significant(1.2341e-7), "1.24e-7");
  EXPECT_EQ(report::rounded_up_significant(0.25), "0.25");
  EXPECT_EQ(report::rounded_up_significant(9.991e-5), "1e-4");
  EXPECT_EQ(report::rounded_up_significant(0.0), "0");
}

TEST(Format, NeverRoundsBoundsDown) {
  for (double value = 1e-6; value < 1e6; value *= 1.0137) {
    EXPECT_TRUE(std::stod(report::rounded_up(value, 3)) >= value) << value;
    EXPECT_TRUE(std::stod(report::rounded_up(value, 3)) <= value + 1.001e-3) << value;
    EXPECT_TRUE(std::stod(report::rounded_up_significant(value)) >= value) << value;
    EXPECT_TRUE(std::stod(report::rounded_up_significant(value)) <= value * 1.0101) << value;
  }
}

TEST(Format, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(report::number(1e-5), "1e-5");
  EXPECT_EQ(report::number(0.1), "0.1");
  EXPECT_EQ(report::number(10.0), "10");
  EXPECT_EQ(report::number(1e22), "1e22");
  EXPECT_EQ(report::grouped(199210), "199,210");
  EXPECT_EQ(report::grouped(-1234), "-1,234");
  EXPECT_EQ(report::grouped(-123), "-123");
  EXPECT_EQ(report::grouped(7), "7");
  EXPECT_EQ(report::percent(0.97314), "97.31 %");
  EXPECT_EQ(report::duration(4.24), "4.2 s");
  EXPECT_EQ(report::duration(185), "3 min 05 s");
  EXPECT_EQ(report::duration(7620), "2 h 07 min");
  EXPECT_EQ(report::plural(1, "round"), "1 round");
  EXPECT_EQ(report::plural(2000, "round"), "2,000 rounds");
}

TEST(Html, EscapesMarkupAndControlCharacters) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&'</a>\n\t"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;\n\t");
  EXPECT_EQ(escape_html(std::string_view("\0\x1b", 2)), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(html_element("p", {{"title", "\">"}}, "x"), "<p title=\"&quot;&gt;\">x</p>");
  EXPECT_EQ(html_text("b", "<"), "<b>&lt;</b>");
}

RunRecord regression_record() {
  RunRecord record = test::plain_record();
  record.experiment["loss"] = Json::object({{"kind", "mse"}});
  for (auto& round : record.rounds) round.accuracy.reset();
  record.weights = {{"0.weight", 2.00379, 2.0}, {"0.bias", -0.5, 1.0}};
  return record;
}

TEST(Regression, TheRecordKeepsTheWeights) {
  const auto record = regression_record();
  EXPECT_EQ(parse_record(to_json(record), "x"), record);
}

TEST(Regression, PageAndTextShowTheErrorAndTheWeightsBesideTheTruth) {
  for (const auto& report : {report_html(regression_record()), report_text(regression_record())}) {
    EXPECT_THAT(report, HasSubstr("Test mean squared error"));
    EXPECT_THAT(report, HasSubstr("2.0038 learned, 2 true"));
    EXPECT_THAT(report, HasSubstr("-0.5000 learned, 1 true"));
    EXPECT_THAT(report, testing::Not(HasSubstr("Test loss")));
  }
  EXPECT_THAT(report_text(regression_record()), testing::Not(HasSubstr("Test accuracy")));
}

TEST(PrivateColumns, PageAndTextShowWhatWasReleasedAndThatEpsilonCountsIt) {
  auto record = test::private_record();
  record.columns = {{"age", 38.50000123, 13.25}, {"gain", -837.5663743820187, 0.00123456}};
  EXPECT_EQ(parse_record(to_json(record), "x"), record);
  for (const auto& report : {report_html(record), report_text(record)}) {
    EXPECT_THAT(report, HasSubstr("Standardisation"));
    EXPECT_THAT(report, HasSubstr("mean 38.5, standard deviation 13.25"));
    EXPECT_THAT(report, HasSubstr("mean -837.57, standard deviation 0.0012346"));
    EXPECT_THAT(report, HasSubstr("bounds of columns"));
  }
  EXPECT_THAT(report_html(record), HasSubstr("epsilon counts it"));
  EXPECT_THAT(report_html(record), HasSubstr("and the sums that standardise columns"));
  EXPECT_THAT(report_text(test::private_record()), testing::Not(HasSubstr("Standardisation")));
}

TEST(TwoClasses, PageAndTextShowAucAndF1) {
  auto record = test::plain_record();
  record.rounds.back().auc = 0.90504;
  record.rounds.back().f1 = 0.65;
  EXPECT_EQ(parse_record(to_json(record), "x"), record);
  for (const auto& report : {report_html(record), report_text(record)}) {
    EXPECT_THAT(report, HasSubstr("Test AUC"));
    EXPECT_THAT(report, HasSubstr("0.9050"));
    EXPECT_THAT(report, HasSubstr("Test F1"));
    EXPECT_THAT(report, HasSubstr("0.6500"));
  }
  EXPECT_THAT(report_text(test::plain_record()), testing::Not(HasSubstr("AUC")));
}

}  // namespace
}  // namespace starling
