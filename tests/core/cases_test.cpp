// Holds the tests to the table of reliability cases in tests/README.md: each case has a test that
// bears its name in every file that the table names. Holds the table of traps there to tests that
// exist.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;

const fs::path kTests = fs::path(STARLING_SOURCE_DIR) / "tests";

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The first groups of all matches.
std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex form(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), form), end; match != end; ++match)
    found.insert((*match)[1]);
  return found;
}

struct Case {
  std::string name;
  std::set<std::string> files;  // relative to tests/
};

std::map<int, Case> table() {
  const std::string readme = text_of(kTests / "README.md");
  const std::regex row(R"(\n\| (\d+) \| (\w+) \| ([^\n]*) \|(?=\n))");
  std::map<int, Case> cases;
  for (std::sregex_iterator match(readme.begin(), readme.end(), row), end; match != end; ++match)
    cases[std::stoi((*match)[1])] = {(*match)[2], matches((*match)[3], "`([^`]+)`")};
  return cases;
}

// What stands between the suite's name and the sentence: TEST(Suite, case_name_Sentence).
std::set<std::string> case_names(const fs::path& file) {
  return matches(text_of(file), R"(TEST(?:_F|_P)?\(\w+,\s+([a-z0-9]+(?:_[a-z0-9]+)*)_[A-Z]\w*\))");
}

TEST(ReliabilityCases, EachHasItsTestInEveryFileOfTheTable) {
  for (const auto& [number, one] : table()) {
    EXPECT_FALSE(one.files.empty()) << number;
    for (const auto& file : one.files) {
      ASSERT_TRUE(fs::exists(kTests / file)) << file;
      EXPECT_EQ(case_names(kTests / file).count(one.name), 1u)
          << file << " has no test of case " << number << ", " << one.name;
    }
  }
}

TEST(ReliabilityCases, TheTableHoldsEveryCaseThatIsPromised) {
  const auto cases = table();
  for (const auto& [first, last] : {std::pair{1, 11}, {14, 29}, {34, 48}, {53, 53}, {57, 62}})
    for (int number = first; number <= last; ++number)
      EXPECT_EQ(cases.count(number), 1u) << "case " << number;
}

TEST(ReliabilityCases, TheTableNamesEveryTestOfItsCases) {
  std::map<std::string, std::set<std::string>> files;
  for (const auto& [number, one] : table()) files[one.name] = one.files;
  for (const auto& entry : fs::recursive_directory_iterator(kTests)) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string file = fs::relative(entry.path(), kTests).string();
    for (const auto& name : case_names(entry.path()))
      EXPECT_TRUE(files.count(name) == 0 || files[name].count(file) == 1)
          << "tests/README.md does not say that " << file << " tests " << name;
  }
}

// "Suite.Name" of every test.
std::set<std::string> test_names() {
  std::set<std::string> names;
  const std::regex form(R"(\nTEST(?:_F|_P)?\((\w+),\s+(\w+)\))");
  for (const auto& entry : fs::recursive_directory_iterator(kTests)) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = text_of(entry.path());
    for (std::sregex_iterator match(text.begin(), text.end(), form), end; match != end; ++match)
      names.insert((*match)[1].str() + "." + (*match)[2].str());
  }
  return names;
}

TEST(Traps, EachIsHeldByTestsThatExist) {
  const std::string readme = text_of(kTests / "README.md");
  const std::string traps = readme.substr(readme.find("\n## Traps\n"));
  const std::regex row(R"(\n\| (\d+) \| [^|\n]* \| ([^\n]*) \|(?=\n))");
  const auto names = test_names();
  int number = 0;
  for (std::sregex_iterator match(traps.begin(), traps.end(), row), end; match != end; ++match) {
    EXPECT_EQ(std::stoi((*match)[1]), ++number);
    const auto tests = matches((*match)[2], "`([^`]+)`");
    EXPECT_FALSE(tests.empty()) << "trap " << number;
    for (const auto& test : tests)
      EXPECT_EQ(names.count(test), 1U) << "trap " << number << " names " << test;
  }
  EXPECT_EQ(number, 30);
}

}  // namespace
