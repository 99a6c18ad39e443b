// `starling data partition` as its entry point answers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/commands.h"
#include "cli/label_chart.h"
#include "data/idx_files.h"
#include "starling/core/error.h"
#include "starling/core/files.h"

namespace starling {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string answer(std::vector<std::string> words) {
  words.insert(words.begin(), {"data", "partition"});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  testing::internal::CaptureStdout();
  try {
    EXPECT_EQ(cli::data_command(static_cast<int>(argv.size()), argv.data()), 0);
  } catch (...) {
    testing::internal::GetCapturedStdout();
    throw;
  }
  return testing::internal::GetCapturedStdout();
}

std::string refusal(const std::vector<std::string>& words) {
  try {
    answer(words);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(DataPartition, CountsWhatEachClientHolds) {
  const std::string text =
      answer({"digits", "--set",
              R"(/partition={"kind": "labels", "clients": 5, "labels_per_client": 2})"});
  EXPECT_THAT(
      text,
      HasSubstr("digits by {\"kind\":\"labels\",\"clients\":5,\"labels_per_client\":2}, seed 1"));
  EXPECT_THAT(text, HasSubstr("5 clients, 10000 examples: 1"));
  // Two of ten equal labels: total variation (2 * 0.4 + 8 * 0.1) / 2.
  EXPECT_THAT(text, HasSubstr("2 of 10 labels a client; label skew 0.8 "));
  EXPECT_THAT(text, HasSubstr("   1000"));
}

TEST(DataPartition, IidHasLittleSkew) {
  const std::string text = answer({"digits", "--set", "/partition/clients=4"});
  EXPECT_THAT(text, AllOf(HasSubstr("4 clients, 10000 examples: 2500 to 2500 each"),
                          HasSubstr("10 of 10 labels a client; label skew 0.0")));
}

TEST(DataPartition, TakesAnExperimentAsItRuns) {
  const std::string file = STARLING_SOURCE_DIR "/experiments/quickstart.json";
  const std::string text = answer({file});
  EXPECT_THAT(text, AllOf(HasSubstr("10 clients, 10000 examples"),
                          HasSubstr("Label counts are private data")));
  EXPECT_THAT(answer({"digits"}), Not(HasSubstr("private")));
}

TEST(DataPartition, ManyClientsAreCutShort) {
  const std::string text = answer({"digits", "--set", "/partition/clients=50"});
  EXPECT_THAT(text, HasSubstr("... and 30 more; --html shows them all"));
}

TEST(DataPartition, DrawsSvgAndHtml) {
  const testing_files::TemporaryFolder folder;
  answer({"digits", "--set", R"(/partition={"kind": "shards", "clients": 30})", "--svg",
          folder.path("a.svg"), "--html", folder.path("a.html")});
  const std::string svg = read_file(folder.path("a.svg")), html = read_file(folder.path("a.html"));
  EXPECT_THAT(svg, AllOf(testing::StartsWith("<svg"), HasSubstr("client 29, ")));
  EXPECT_THAT(html, AllOf(testing::StartsWith("<!DOCTYPE html>"), HasSubstr("<svg"),
                          HasSubstr("Labels of 30 clients of digits")));
  EXPECT_EQ(occurrences(html, "<tr>"), 31u);
}

TEST(DataPartition, RefusesWithThePlace) {
  EXPECT_THAT(refusal({}), HasSubstr("needs an experiment"));
  EXPECT_THAT(refusal({"digitz"}), HasSubstr("did you mean \"digits\""));
  EXPECT_THAT(refusal({"digits", "--set", "/partition/kind=dirichlet"}),
              HasSubstr("/partition: \"alpha\" is missing"));
  EXPECT_THAT(refusal({"digits", "--set", "/partition/clients=20000"}),
              HasSubstr("partition/clients: 20000 is outside"));
  EXPECT_THAT(answer({"--help"}), AllOf(HasSubstr("--svg"), HasSubstr("--set")));
}

// The writers of MNIST, through QMNIST's table: 539 of them hold all 60,000 training images.
TEST(DataPartition, MnistByWriterLong) {
  const char* folder = std::getenv("STARLING_DATA");
  if (folder == nullptr || !std::filesystem::exists(std::string(folder) + "/qmnist-writer-ids"))
    GTEST_SKIP() << "STARLING_DATA has no MNIST with its writers";
  EXPECT_THAT(answer({"mnist", "--set", R"(/partition={"kind": "natural"})"}),
              HasSubstr("539 clients, 60000 examples"));
}

TEST(LabelChart, BarsAreAsLongAsCounts) {
  const std::string svg = cli::label_chart_svg({{{1, 3}, {0, 2}}, {"a", "b"}}, "T");
  // Two legend entries and three counts above zero.
  EXPECT_EQ(occurrences(svg, "<rect"), 5u);
  EXPECT_THAT(svg, AllOf(HasSubstr("width=\"160\""), HasSubstr("width=\"480\""),
                         HasSubstr("width=\"320\""), HasSubstr("client 1, b: 2")));
}

TEST(LabelChart, EscapesNames) {
  EXPECT_THAT(cli::label_chart_html({{{1}}, {"<x>"}}, "<T>", "&"),
              AllOf(HasSubstr("&lt;x&gt;"), HasSubstr("&lt;T&gt;"), Not(HasSubstr("<x>"))));
}

}  // namespace
}  // namespace starling
