#include "starling/core/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "starling/core/error.h"

namespace starling {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(::testing::TempDir()) / (std::string("starling_files_") + test->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

TEST_F(Files, AtomicWriteReplacesTheWholeFileAndLeavesNothingElse) {
  write_file_atomically(path("a"), "first, longer");
  write_file_atomically(path("a"), std::string("sec\0nd", 6));
  EXPECT_EQ(read_file(path("a")), std::string("sec\0nd", 6));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, AtomicWriteSurvivesTheTemporaryFileOfACrash) {
  write_file_atomically(path("a.tmp"), "left over");
  write_file_atomically(path("a"), "whole");
  EXPECT_EQ(read_file(path("a")), "whole");
}

TEST_F(Files, AtomicWriteKeepsTheModeAskedFor) {
  write_file_atomically(path("key"), "secret", 0600);
  struct stat status {};
  ASSERT_EQ(::stat(path("key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(Files, FailedWriteKeepsTheOldFile) {
  write_file_atomically(path("a"), "old");
  EXPECT_THROW(write_file_atomically(path("absent/a"), "new"), Error);
  EXPECT_EQ(read_file(path("a")), "old");
}

TEST_F(Files, ReadRefusesWhatIsNotARegularFileOfBoundedSize) {
  EXPECT_THROW(read_file(path("absent")), Error);
  EXPECT_THROW(read_file(folder_.string()), Error);
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_THROW(read_file(path("pipe")), Error);
  write_file_atomically(path("a"), "12345");
  EXPECT_THROW(read_file(path("a"), 4), Error);
  EXPECT_EQ(read_file(path("a"), 5), "12345");
}

TEST_F(Files, DurableFileAppends) {
  { DurableFile(path("log")).append("one\n"); }
  DurableFile file(path("log"));
  file.append("two\n");
  EXPECT_EQ(read_file(path("log")), "one\ntwo\n");
}

}  // namespace
}  // namespace starling
