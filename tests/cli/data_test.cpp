// `starling data` as its entry point answers: what it prints, what it writes, what it refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/commands.h"
#include "cli/data_show.h"
#include "data/idx_files.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"

namespace starling {
namespace {

using namespace testing_files;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

// What it prints; the exit code must be 0.
std::string answer(std::vector<std::string> words) {
  words.insert(words.begin(), "data");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  testing::internal::CaptureStdout();
  int code = -1;
  try {
    code = cli::data_command(static_cast<int>(argv.size()), argv.data());
  } catch (...) {
    testing::internal::GetCapturedStdout();
    throw;
  }
  EXPECT_EQ(code, 0);
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

std::string tiny_json(const std::string& url, const std::string& body) {
  return R"({"name": "tiny", "licence": "free", "format": "idx", "shape": [1, 4, 3], "classes": 10,
    "mean": [0.5], "std": [0.25], "train": {"images": "tiny/a.gz", "labels": "tiny/b.gz"},
    "test": {"images": "tiny/a.gz", "labels": "tiny/b.gz"}, "files": [{"file": "tiny/a.gz",
    "sha256": ")" +
         sha256_hex(body) + R"(", "urls": [")" + url + R"("]}]})";
}

TEST(DataCommand, HelpNamesEverySubcommandAndItsFlags) {
  EXPECT_THAT(answer({"--help"}), AllOf(HasSubstr("data list"), HasSubstr("data show NAME"),
                                        HasSubstr("data fetch NAME"), HasSubstr("data partition")));
  EXPECT_THAT(answer({"show", "--help"}),
              AllOf(HasSubstr("--png"), HasSubstr("--split"), HasSubstr("--data")));
  EXPECT_THAT(answer({"list", "--help"}), HasSubstr("--data"));
  EXPECT_THAT(answer({"fetch", "--help"}), HasSubstr("--data"));
}

TEST(DataCommand, ListShowsEachSetAndWhatIsPresent) {
  const TemporaryFolder folder;
  const std::string before = answer({"list", "--data", folder.path()});
  EXPECT_THAT(before, AllOf(StartsWith("NAME"), HasSubstr("mnist "), HasSubstr("cifar-10"),
                            HasSubstr("3x32x32"), HasSubstr("built in")));
  folder.write("kmnist/train-images-idx3-ubyte.gz", "x");
  EXPECT_THAT(answer({"list", "--data", folder.path()}),
              HasSubstr(folder.path("kmnist") + " (1 of 4 files)"));
}

TEST(DataCommand, ShowDescribesATableColumnByColumn) {
  const TemporaryFolder folder;
  const auto json = folder.write("t.json", R"({"name": "t", "licence": "free", "format": "csv",
    "table": {"test_every": 3, "columns": [{"name": "age", "kind": "number", "mean": 40, "std": 10},
      {"name": "work", "kind": "category", "values": ["a", "b"], "other": true},
      {"name": "sick", "kind": "label", "classes": [{"name": "no", "cells": ["0"]},
                                                    {"name": "yes", "cells": ["1"]}]}]},
    "train": {"table": "t.csv"}, "test": {"table": "t.csv"}})");
  folder.write("t.csv", "50,a,1\n30,b,0\n35,c,0\n");
  const std::string shown = answer({"show", json});
  EXPECT_THAT(shown, AllOf(HasSubstr("t train: 2 examples of 4, 2 classes"), HasSubstr("yes"),
                           HasSubstr("(x - 40) / 10"), HasSubstr("3 features"),
                           HasSubstr("50, 30\n"), HasSubstr("a, b\n")));
  EXPECT_THAT(answer({"show", json, "--split", "test"}), HasSubstr("35\n"));
  EXPECT_THAT(refusal({"show", json, "--png", folder.path("x.png")}), HasSubstr("has no images"));
}

TEST(DataCommand, ShowSaysTheLawOfALine) {
  EXPECT_THAT(answer({"show", "linear", "--count", "2"}),
              AllOf(HasSubstr("linear train: 1000 examples of 1, a number to predict"),
                    HasSubstr("y = 2 x + 1, noise of standard deviation 0.1")));
  EXPECT_THAT(refusal({"partition", "linear"}), HasSubstr("no labels to count"));
}

TEST(DataCommand, ShowWritesPhrasesInWords) {
  EXPECT_THAT(answer({"show", "phrases", "--count", "40"}),
              AllOf(HasSubstr("phrases train: 10000 examples of 32, 4 classes"),
                    HasSubstr(" words, 0 being the padding\n"),
                    MatchesRegex("(.|\n)*\n  (lamp|heater|door|window) +[a-z ,:?]+ the [a-z ]+"
                                 "(.|\n)*")));
  EXPECT_THAT(answer({"partition", "phrases"}), HasSubstr("window"));
  EXPECT_THAT(refusal({"show", "phrases", "--png", "x.png"}), HasSubstr("has no images"));
}

TEST(DataCommand, ShowDrawsSamplesCountsAndAContactSheetWithoutColourWhenPiped) {
  const TemporaryFolder folder;
  const auto png = folder.path("sheet.png");
  const std::string shown = answer({"show", "digits", "--png", png});
  EXPECT_THAT(shown, AllOf(HasSubstr("10000 examples of 1x28x28, 10 classes"), HasSubstr("\u2588"),
                           HasSubstr("Contact sheet: " + png)));
  EXPECT_EQ(shown.find('\x1b'), std::string::npos);
  EXPECT_GT(
      std::count(shown.begin(), shown.end(), '#') + std::count(shown.begin(), shown.end(), '@'),
      20);
  EXPECT_THAT(read_file(png), StartsWith("\x89PNG"));
  EXPECT_THAT(answer({"show", "digits", "--split", "test", "--count", "0"}),
              HasSubstr("2000 examples"));
}

TEST(DataCommand, FetchReportsEachFile) {
  const TemporaryFolder folder;
  const std::string body = gzip(idx_images(5));
  const auto json =
      folder.write("tiny.json", tiny_json("file://" + folder.write("origin.gz", body), body));
  const std::string path = folder.path("here/tiny/a.gz");
  EXPECT_THAT(answer({"fetch", json, "--data", folder.path("here")}),
              AllOf(HasSubstr("Licence: free"), HasSubstr("verified    " + path)));
  EXPECT_THAT(answer({"fetch", json, "--data", folder.path("here")}),
              HasSubstr("present     " + path));
  EXPECT_EQ(read_file(path), body);
  EXPECT_THAT(answer({"fetch", "digits"}), HasSubstr("nothing to fetch"));
}

TEST(DataCommand, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(refusal({}), HasSubstr("list, show, fetch or partition"));
  EXPECT_THAT(refusal({"lst"}), HasSubstr("did you mean \"list\""));
  EXPECT_THAT(refusal({"show"}), HasSubstr("needs a name"));
  EXPECT_THAT(refusal({"show", "mnits"}), HasSubstr("did you mean \"mnist\""));
  EXPECT_THAT(refusal({"show", "digits", "--split", "all"}), HasSubstr("--split: all"));
  EXPECT_THAT(refusal({"show", "digits", "--count", "-1"}), HasSubstr("--count: -1"));
  EXPECT_THAT(refusal({"show", "digits", "--colour"}), HasSubstr("--help lists"));
  EXPECT_THAT(refusal({"fetch"}), HasSubstr("needs a name"));
}

TEST(DataShow, ColourDrawsHalfBlocksWithTheirMeans) {
  const PixelSet set{"two", {3, 2, 2}, 2, {10, 10, 20, 20, 30, 30, 40, 40, 50, 50, 60, 60},
                     {1},   {}};
  EXPECT_EQ(cli::draw_samples(set, {0}, {"a", "b"}, 80, true),
            "b  \n\x1b[38;2;10;30;50m\x1b[48;2;20;40;60m\u2580"
            "\x1b[38;2;10;30;50m\x1b[48;2;20;40;60m\u2580\x1b[0m \n");
}

TEST(DataShow, TheContactSheetHoldsEachPixelOfEachSample) {
  const PixelSet set{"three", {1, 1, 2}, 2, {1, 2, 3, 4, 5, 6}, {0, 1, 0}, {}};
  const Image sheet = cli::contact_sheet(set, cli::samples_by_class(set, 5), 2);
  EXPECT_EQ(sheet.width, 8);
  EXPECT_EQ(sheet.height, 4);
  const std::vector<uint8_t> first = {1, 1, 2, 2, 5, 5, 6, 6}, second = {3, 3, 4, 4, 0, 0, 0, 0};
  for (int64_t y = 0; y < 4; ++y) {
    const auto begin = sheet.pixels.begin() + y * 8;
    EXPECT_EQ(std::vector<uint8_t>(begin, begin + 8), y < 2 ? first : second);
  }
}

}  // namespace
}  // namespace starling
