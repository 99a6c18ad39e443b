// Cases 28, 29, 35, 36 and 41 of the checkpoint file itself; those of whole runs are in
// resume_test.cpp.

#include "starling/core/checkpoint.h"

#include <gmock/gmock.h>

#include "reliability/child.h"
#include "reliability/limits.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"
#include "starling/core/log.h"

namespace starling::reliability {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Checkpoint sample(int64_t round) {
  std::string state;
  for (int i = 0; i < 3'700; ++i) state += static_cast<char>(round + i * i);
  return {"0123abcd", sha256_hex("config"), round, {{"model", state}, {"record", "{\"a\": 1}"}}};
}

class Checkpoints : public Hostile {
 protected:
  void SetUp() override {
    Hostile::SetUp();
    log::to_stderr(log::Level::off);
  }
  void TearDown() override {
    log::to_stderr(log::Level::info);
    Hostile::TearDown();
  }
  std::string path(int64_t round) const {
    return folder_.path("round-" + std::to_string(round) + ".checkpoint");
  }
  CheckpointFolder checkpoints_{folder_.path(), 2};
};

TEST_F(Checkpoints, GiveBackWhatWasWritten) {
  checkpoints_.write(sample(7));
  const auto read = checkpoints_.newest();
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->run, "0123abcd");
  EXPECT_EQ(read->round, 7);
  EXPECT_EQ(read->sections, sample(7).sections);
  EXPECT_EQ(format_checkpoint(*read), format_checkpoint(sample(7)));
  EXPECT_THAT(refusal([&] { read->section("optimizer"); }), HasSubstr("no section \"optimizer\""));
}

TEST_F(Checkpoints, KeepTheStatedNumberAndTheNewestByNumber) {
  EXPECT_FALSE(checkpoints_.newest().has_value());
  for (int64_t round : {8, 9, 10, 11}) checkpoints_.write(sample(round));
  EXPECT_FALSE(std::filesystem::exists(path(9)));
  EXPECT_TRUE(std::filesystem::exists(path(10)));
  EXPECT_EQ(checkpoints_.newest()->round, 11);
}

TEST_F(Checkpoints, ckpt_bitflip_EveryChangedByteIsFound) {
  const std::string good = format_checkpoint(sample(2));
  ASSERT_GT(good.size(), 3'900u);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    EXPECT_THROW(parse_checkpoint(bad, "bad"), DamagedCheckpoint) << at;
  }
}

TEST_F(Checkpoints, ckpt_bitflip_EveryTruncationAndExtensionIsFound) {
  const std::string good = format_checkpoint(sample(2));
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_THROW(parse_checkpoint(good.substr(0, size), "bad"), DamagedCheckpoint) << size;
  EXPECT_THROW(parse_checkpoint(good + "x", "bad"), DamagedCheckpoint);
}

TEST_F(Checkpoints, ckpt_bitflip_ThePreviousGoodOneIsUsedAndSaidSo) {
  checkpoints_.write(sample(1));
  checkpoints_.write(sample(2));
  std::string bad = read_file(path(2));
  bad[1000] ^= 1;
  folder_.write("round-2.checkpoint", bad);
  const std::string log = folder_.path("log.txt");
  log::to_file(log);
  const auto read = checkpoints_.newest();
  log::close_file();
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->round, 1);
  EXPECT_THAT(contents(log), AllOf(HasSubstr("round-2.checkpoint"), HasSubstr("is damaged"),
                                   HasSubstr("the checkpoint before it is used")));
  folder_.write("round-1.checkpoint", "");
  EXPECT_THAT(refusal([&] { checkpoints_.newest(); }), HasSubstr("every one is damaged"));
}

// As a later version would write it: whole, and of a form that this one does not know.
std::string of_version(const std::string& version) {
  std::string bytes = "starling checkpoint " + version + "\nsomething new";
  const auto hash = sha256(bytes);
  return bytes + std::string(reinterpret_cast<const char*>(hash.data()), hash.size());
}

TEST_F(Checkpoints, ckpt_version_AFutureOneIsRefusedWithTheReason) {
  checkpoints_.write(sample(1));
  folder_.write("round-2.checkpoint", of_version("2"));
  EXPECT_THAT(refusal([&] { checkpoints_.newest(); }),
              AllOf(HasSubstr("version 2"), HasSubstr("reads version 1")));
  for (const char* version : {"", "0", "-1", "1x", "99999999999999999999"})
    EXPECT_THROW(parse_checkpoint(of_version(version), "bad"), DamagedCheckpoint) << version;
}

TEST_F(Checkpoints, ckpt_version_AnotherRunOrConfigurationIsRefused) {
  const Checkpoint checkpoint = sample(1);
  EXPECT_NO_THROW(check_belongs(checkpoint, checkpoint.run, checkpoint.config, "x"));
  EXPECT_THAT(refusal([&] { check_belongs(checkpoint, "ffff", checkpoint.config, "x"); }),
              HasSubstr("of run 0123abcd, not of ffff"));
  EXPECT_THAT(refusal([&] { check_belongs(checkpoint, checkpoint.run, "other", "x"); }),
              HasSubstr("another experiment"));
}

// Whole by its checksum, and still nonsense.
TEST_F(Checkpoints, WellHashedNonsenseIsRefused) {
  for (
      const std::string header :
      {R"({"run":"r","config":"c","round":-1,"sections":[]})", "[]", "{",
       R"({"run":"r","config":"c","round":1,"sections":[{"name":"a","bytes":9}]})",
       R"({"run":"r","config":"c","round":1,"sections":[{"name":"a","bytes":-1}]})",
       R"({"run":"r","config":"c","round":1,"sections":[{"name":"a","bytes":9223372036854775807}]})",
       R"({"run":"r","config":"c","round":1,"sections":[{"name":"a","bytes":1},)"
       R"({"name":"a","bytes":1}]})",
       R"({"run":"r","config":"c","round":1,"sections":[],"more":1})",
       R"({"run":"r","config":"c","round":1,"sections":[]})"}) {
    const std::string bytes = "starling checkpoint 1\n" + header + "\nxx";
    const auto hash = sha256(bytes);
    const std::string file =
        bytes + std::string(reinterpret_cast<const char*>(hash.data()), hash.size());
    EXPECT_NE(refusal([&] { parse_checkpoint(file, "bad"); }), "") << header;
  }
}

constexpr int kCalls = 30;  // of checkpoint_writer

class Faults : public Checkpoints {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "The sanitizer's runtime must be loaded first.";
    Checkpoints::SetUp();
  }
  int write_with(const std::string& fault, const std::string& name) {
    return run_child({STARLING_CHECKPOINT_WRITER, folder_.path(name)},
                     {{{"LD_PRELOAD", STARLING_FAULT_LAYER},
                       {"STARLING_FAULT", fault},
                       {"STARLING_FAULT_ROOT", folder_.path(name)},
                       {"STARLING_FAULT_TRACE", folder_.path(name + ".trace")}},
                      folder_.path(name + ".out")});
  }
  std::vector<std::string> said(const std::string& name) const {
    return lines_of(folder_.path(name + ".out"));
  }
  std::vector<std::string> calls(const std::string& name) const {
    std::vector<std::string> calls;
    for (std::string line : lines_of(folder_.path(name + ".trace"))) {
      line = line.substr(line.find(' ') + 1);
      const size_t root = line.find(folder_.path(name));
      calls.push_back(line.replace(root, folder_.path(name).size(), ""));
    }
    return calls;
  }
  int64_t newest(const std::string& name) const {
    const auto found = CheckpointFolder(folder_.path(name), 2).newest();
    return found ? found->round : 0;
  }
};

TEST_F(Faults, ckpt_protocol_IsOpenWriteFlushRenameFlushEveryTime) {
  ASSERT_EQ(write_with("", "a"), 0);
  const auto all = calls("a");
  ASSERT_EQ(all.size(), size_t{kCalls});
  EXPECT_EQ(all[0], "open /lines");
  EXPECT_EQ(all[1], "fsync ");
  for (int64_t round = 1; round <= 4; ++round) {
    const std::string file = "/round-" + std::to_string(round) + ".checkpoint";
    const auto first = all.begin() + 2 + 7 * (round - 1);
    EXPECT_THAT(std::vector<std::string>(first, first + 7),
                ElementsAre("write /lines", "fdatasync /lines", "open-exclusive " + file + ".tmp",
                            "write " + file + ".tmp", "fsync " + file + ".tmp", "rename " + file,
                            "fsync "));
  }
}

TEST_F(Faults, kill9_each_syscall_LeavesTheStateBeforeOrAfter) {
  for (int call = 1; call <= kCalls; ++call) {
    const std::string name = "kill" + std::to_string(call);
    ASSERT_EQ(write_with("kill:" + std::to_string(call), name), 128 + SIGKILL);
    const auto promised = static_cast<int64_t>(said(name).size());
    const int64_t found = newest(name);
    EXPECT_GE(found, promised) << call;
    EXPECT_LE(found, promised + 1) << call;
    const auto lines = static_cast<int64_t>(lines_of(folder_.path(name) + "/lines").size());
    EXPECT_GE(lines, found) << "a line is on the disk before the checkpoint that counts on it";
    ASSERT_EQ(write_with("", name), 0) << "what the crash left must not be in the way";
    EXPECT_EQ(newest(name), 4);
  }
}

TEST_F(Faults, disk_full_KeepsTheOldCheckpointAndEndsWithAnError) {
  for (const char* error : {"ENOSPC", "EIO"})
    for (int call = 1; call <= kCalls; ++call) {
      const std::string name = error + std::to_string(call);
      const int code = write_with(std::string(error) + ":" + std::to_string(call), name);
      if (call > kCalls - 3 && error == std::string("ENOSPC")) continue;  // no write is left
      EXPECT_EQ(code, 1) << name;
      const auto text = said(name);
      EXPECT_THAT(text.back(),
                  testing::AnyOf(HasSubstr("No space left"), HasSubstr("Input/output error")));
      EXPECT_GE(newest(name), static_cast<int64_t>(text.size()) - 1) << name;
    }
}

TEST_F(Checkpoints, disk_full_ByTheFileSizeLimitKeepsTheOldCheckpoint) {
  const std::string root = folder_.path("small");
  ChildOptions options;
  options.file_size = 1'000;
  options.output = folder_.path("small.out");
  EXPECT_EQ(run_child({STARLING_CHECKPOINT_WRITER, root}, options), 1);
  EXPECT_THAT(contents(options.output), HasSubstr("File too large"));
  EXPECT_EQ(CheckpointFolder(root, 2).newest(), std::nullopt);
}

}  // namespace
}  // namespace starling::reliability
