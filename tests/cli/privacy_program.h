#pragma once
// `starling privacy` asked in this process: what it prints, its JSON, and what it refuses.

#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "starling/core/error.h"
#include "starling/core/json.h"

namespace starling {

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

inline std::string output_of(Words words, const std::string& input = "") {
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

inline Json json_of(Words words, const std::string& input = "") {
  words.push_back("--json");
  return parse_json(output_of(words, input), "output");
}

inline std::string error_of(const Words& words, const std::string& input = "") {
  try {
    output_of(words, input);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

inline Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// A folder of its own for every test.
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

}  // namespace starling
