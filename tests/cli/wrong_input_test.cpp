#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/small_runs.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using starling::testing::file_text;
using starling::testing::Folder;
using starling::testing::kPlain;
using starling::testing::kPrivate;
using starling::testing::run_into;
using ::testing::HasSubstr;

TEST(Run, RefusesWrongInputWithOneLineAndExitCodeTwo) {
  const Folder folder("wrong");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--set /privacy/nosie_multiplier=1", "noise_multiplier"},
      {"--set /privacy/epsilon=0", "/privacy/epsilon"},
      {"--set /privacy/noise_multiplier=1", "epsilon"},
      {"--set /local/batch_size=0", "/local/batch_size"},
      {"--set /rounds=-1", "/rounds"},
      {"--set /privacy/unit=client", "client"},
      {"--set /model/file=absent.json --set /model/layers=null", "absent.json"},
      {"--set /dataset/name=mnits", "mnist"},
      {"--set /partition/clients=0", "/partition/clients"},
      {"--set '/partition={\"kind\": \"shards\", \"clients\": 500}'", ".json: /partition/"},
      {R"(--set '/model/layers=[{"kind": "linera", "out_features": 10}]')", "linear"},
      {R"(--set '/model/layers=[{"kind": "conv2d", "out_channels": 4, "kernel_size": 3, "in_channels": 7}]')",
       "layers/0"},
      {R"(--set '/model/layers=[{"kind": "conv2d", "out_channels": 4, "kernel_size": 3}, {"kind": "batch_norm2d"}, {"kind": "flatten"}, {"kind": "linear", "out_features": 10}]')",
       "group_norm"},
      {"--set /model/replace_batch_norm=1", "/model/replace_batch_norm"},
      {"--set /model/freeze='[\"9\"]'", "/model/freeze"},
      {"--frobnicate", "frobnicate"},
      {"/rounds=2", "\"/rounds=2\" is one argument too many; write --set /rounds=2"},
      {"other.json", "\"other.json\" is one argument too many; starling run --help"},
      {"--set /privacy/unit=none --set /privacy/epsilon=null --set /privacy/delta=null --set "
       "/privacy/clip_norm=1",
       "/privacy/epsilon: is not a known key beside \"unit\": \"none\"; known are unit"},
  };
  for (const auto& [more, expected] : cases) {
    const auto outcome = run_into(folder, kPrivate, "never", more);
    EXPECT_EQ(outcome.code, 2) << more << "\n" << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(expected)) << more;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_FALSE(fs::exists(folder / "never")) << more;
  }
}

TEST(Run, RefusesAFolderThatHoldsFiles) {
  const Folder folder("occupied");
  fs::create_directories(folder / "a");
  folder.write("a/precious", "x");
  EXPECT_EQ(run_into(folder, kPlain, "a").code, 2);
  EXPECT_EQ(file_text(folder / "a/precious"), "x");
}

TEST(Run, SaysWhichFolderCannotBeMade) {
  const Folder folder("unmade");
  const auto file = folder.write("file", "x");
  for (const std::string& flag : {"--out '" + file + "/a'", "--key-file '" + file + "/b/key'"}) {
    const auto outcome = run_into(folder, kPrivate, "never", flag);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(": cannot be made a folder: Not a directory")) << flag;
  }
}

TEST(Program, ComparesNoRunWithItself) {
  const auto outcome = testing::starling("report --compare alone");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--compare: needs two runs or more"));
}

TEST(Program, IgnoresNoWord) {
  for (const char* command : {"check a.json b.json", "distill a b --student c.json", "data list x",
                              "data show digits x", "data partition digits x"}) {
    const auto outcome = testing::starling(command);
    EXPECT_EQ(outcome.code, 2) << command;
    EXPECT_THAT(outcome.err, HasSubstr("is one argument too many")) << command;
  }
}

TEST(Program, ExplainsItself) {
  EXPECT_EQ(testing::starling("").code, 2);
  EXPECT_EQ(testing::starling("--help").code, 0);
  EXPECT_THAT(testing::starling("--version").out, HasSubstr("starling "));
  for (const char* command : {"run", "check", "privacy", "report", "data"}) {
    const auto outcome = testing::starling(std::string(command) + " --help");
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr("starling " + std::string(command)));
  }
  const auto outcome = testing::starling("rnu x.json");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean \"run\""));
}

}  // namespace
}  // namespace starling
