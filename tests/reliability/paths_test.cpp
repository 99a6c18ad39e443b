// Case 12: names that lead elsewhere, and things that are not files.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "reliability/limits.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"
#include "starling/core/json.h"
#include "starling/data/catalogue.h"
#include "starling/data/idx.h"
#include "starling/experiment/experiment.h"
#include "starling/privacy/ledger.h"

namespace starling::reliability {
namespace {

using testing::HasSubstr;
using testing::Not;

using Read = void (*)(const std::string&);
const std::pair<const char*, Read> kReaders[] = {
    {"read_file", [](const std::string& path) { read_file(path); }},
    {"read_json", [](const std::string& path) { read_json(path); }},
    {"sha256_of_file", [](const std::string& path) { sha256_of_file(path); }},
    {"read_idx", [](const std::string& path) { read_idx(path); }},
    {"read_cifar10", [](const std::string& path) { read_cifar10({path}, "set"); }},
    {"read_dataset_info", [](const std::string& path) { read_dataset_info(path); }},
    {"load_experiment", [](const std::string& path) { load_experiment(path); }},
    {"PrivacyLedger::read", [](const std::string& path) { PrivacyLedger::read(path); }}};
const std::pair<const char*, Read> kWriters[] = {
    {"DurableFile", [](const std::string& path) { DurableFile(path).append("x"); }},
    {"write_file_atomically", [](const std::string& path) { write_file_atomically(path, "x"); }}};

using Paths = Hostile;

TEST_F(Paths, path_traversal_PipesAreRefusedAndNobodyWaits) {
  const std::string pipe = folder_.path("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const auto& [name, read] : kReaders)
    EXPECT_THAT(refusal([&] { read(pipe); }), HasSubstr("not a regular file")) << name;
  EXPECT_THAT(refusal([&] { DurableFile file(pipe); }), HasSubstr("pipe"));
  // With a reader at its other end a pipe would take what belongs on the disk.
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  EXPECT_THAT(refusal([&] { DurableFile file(pipe); }), HasSubstr("not a regular file"));
  ::close(reader);
}

TEST_F(Paths, path_traversal_FoldersDevicesAndAbsentFilesAreRefused) {
  for (const std::string& path : {folder_.path(), std::string("/dev/zero"), folder_.path("absent"),
                                  folder_.path("absent/x"), std::string()})
    for (const auto& [name, read] : kReaders)
      EXPECT_NE(refusal([&] { read(path); }), "") << name << " " << path;
  for (const auto& [name, write] : kWriters)
    EXPECT_NE(refusal([&] { write(folder_.path()); }), "") << name;
}

TEST_F(Paths, path_traversal_NulAndOverlongNamesAreRefused) {
  const std::string known = folder_.write("known", "text");
  for (const std::string& path :
       {known + '\0' + "x", known + std::string(1, '\0'), folder_.path(std::string(4096, 'a'))}) {
    for (const auto& [name, read] : kReaders) EXPECT_NE(refusal([&] { read(path); }), "") << name;
    for (const auto& [name, write] : kWriters) EXPECT_NE(refusal([&] { write(path); }), "") << name;
  }
  EXPECT_EQ(read_file(known), "text");
}

// Links lead where the owner of the folder wants; what they lead to is checked as any file, and an
// error never repeats its text.
TEST_F(Paths, path_traversal_ALinkToASystemFileShowsNothingOfIt) {
  const std::string secret = folder_.write("secret", "root:x:0:0:TOPSECRET:/root:/bin/sh\n");
  const std::string link = folder_.path("link");
  ASSERT_EQ(symlink(secret.c_str(), link.c_str()), 0);
  for (const auto& [name, read] : kReaders) {
    if (name == std::string("read_file") || name == std::string("sha256_of_file")) continue;
    EXPECT_THAT(refusal([&] { read(link); }), Not(HasSubstr("TOPSECRET"))) << name;
  }
}

// A temporary file that somebody put in the way is replaced, not followed.
TEST_F(Paths, path_traversal_AtomicWritesDoNotFollowLinks) {
  const std::string victim = folder_.write("victim", "untouched");
  const std::string path = folder_.path("file");
  ASSERT_EQ(symlink(victim.c_str(), (path + ".tmp").c_str()), 0);
  write_file_atomically(path, "new");
  EXPECT_EQ(read_file(victim), "untouched");
  std::filesystem::remove(path);
  ASSERT_EQ(symlink(victim.c_str(), path.c_str()), 0);
  write_file_atomically(path, "newer");
  EXPECT_EQ(read_file(victim), "untouched");
  EXPECT_EQ(read_file(path), "newer");
}

TEST_F(Paths, path_traversal_SparseFilesCostNoMemory) {
  const std::string sparse = folder_.write("sparse.json", "");
  ASSERT_EQ(truncate(sparse.c_str(), off_t{1} << 36), 0);
  const int64_t before = peak_memory();
  for (const auto& [name, read] : kReaders) {
    if (name == std::string("sha256_of_file")) continue;  // reads through, in small pieces
    EXPECT_THAT(refusal([&] { read(sparse); }), HasSubstr("are read")) << name;
  }
  ASSERT_EQ(truncate(sparse.c_str(), off_t{4} << 30), 0);
  if (!kSanitized) {
    EXPECT_THAT(refusal([&] { read_file(sparse); }), HasSubstr("more than fits into memory"));
  }
  EXPECT_LT(peak_memory() - before, int64_t{200} << 20);
}

}  // namespace
}  // namespace starling::reliability
