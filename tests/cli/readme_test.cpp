// What the READMEs show is what is there: listings are parts of tested files, names exist.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "cli/program.h"
#include "starling/core/json.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using starling::testing::file_text;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

const fs::path kRoot = STARLING_SOURCE_DIR;
const std::vector<std::string> kReadmes = {"README.md", "experiments/README.md", "models/README.md",
                                           "include/starling/privacy/README.md"};

// The texts between ```language and ``` in the README.
std::vector<std::string> listings(const std::string& language) {
  const std::string readme = file_text(kRoot / "README.md");
  const std::string opening = "\n```" + language + "\n";
  std::vector<std::string> found;
  for (size_t at = readme.find(opening); at != std::string::npos; at = readme.find(opening, at)) {
    at += opening.size();
    found.push_back(readme.substr(at, readme.find("```", at) - at));
  }
  return found;
}

std::string without_indentation(const std::string& text) {
  return std::regex_replace(text, std::regex("(^|\n) +"), "$1");
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match)
    found.insert((*match)[1]);
  return found;
}

std::set<std::string> json_files(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".json") names.insert(entry.path().filename().string());
  return names;
}

TEST(Readme, CppListingIsPartOfTheConsumerThatIsBuiltAndRun) {
  const auto shown = listings("cpp");
  ASSERT_THAT(shown, SizeIs(1));
  EXPECT_GT(shown.front().size(), 500U);
  const auto built = without_indentation(file_text(kRoot / "tests/consumer/train.cpp"));
  EXPECT_THAT(built, HasSubstr(without_indentation(shown.front())));
}

TEST(Readme, CMakeListingIsPartOfTheConsumersProject) {
  const auto shown = listings("cmake");
  ASSERT_THAT(shown, SizeIs(1));
  const auto built = without_indentation(file_text(kRoot / "tests/consumer/CMakeLists.txt"));
  EXPECT_THAT(built, HasSubstr(without_indentation(shown.front())));
}

TEST(Readme, ExperimentShownIsTheQuickstartWithoutItsDescription) {
  const auto shown = listings("json");
  ASSERT_FALSE(shown.empty());
  Json quickstart = read_json(kRoot / "experiments/quickstart.json");
  quickstart.erase("description");
  EXPECT_EQ(parse_json(shown.front(), "README.md"), quickstart);
}

TEST(Readme, JsonFilesThatAreNamedExist) {
  size_t named = 0;
  for (const auto& readme : kReadmes) {
    const auto text = file_text(kRoot / readme);
    ASSERT_NE(text, "") << readme;
    for (const auto& name :
         matches(text, R"(((?:models|experiments|datasets)/[A-Za-z0-9_/.-]*\.json))")) {
      EXPECT_TRUE(fs::is_regular_file(kRoot / name)) << readme << " names " << name;
      ++named;
    }
  }
  EXPECT_GT(named, 3U);
}

TEST(Readme, LinksLeadToFiles) {
  for (const auto& readme : kReadmes) {
    for (const auto& link : matches(file_text(kRoot / readme), R"(\]\(([^):]+)\))"))
      EXPECT_TRUE(fs::exists((kRoot / readme).parent_path() / link)) << readme << ": " << link;
  }
}

TEST(Readme, TablesOfModelsAndExperimentsAreComplete) {
  for (const char* folder : {"models", "experiments"}) {
    const auto text = file_text(kRoot / folder / "README.md");
    EXPECT_EQ(matches(text, "\n\\| `?([a-z0-9_]+\\.json)"), json_files(kRoot / folder)) << folder;
  }
}

TEST(Readme, NamesNoMachine) {
  for (const auto& readme : kReadmes) {
    const auto text = file_text(kRoot / readme);
    for (const char* place : {"/tmp/", "/home/", "/root/", "/opt/"})
      EXPECT_THAT(text, Not(HasSubstr(place))) << readme;
  }
}

}  // namespace
}  // namespace starling
