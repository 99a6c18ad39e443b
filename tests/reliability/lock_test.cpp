// Case 42: two writers of one folder. Case 47: the signals that ask a run to stop.

#include <gmock/gmock.h>

#include "reliability/child.h"
#include "reliability/limits.h"
#include "starling/core/files.h"
#include "starling/core/folder_lock.h"
#include "starling/core/interrupt.h"

namespace starling::reliability {
namespace {

using testing::HasSubstr;

using Lock = Hostile;

TEST_F(Lock, two_writers_TheSecondIsRefusedAndToldWhoTheFirstIs) {
  const FolderLock first(folder_.path());
  EXPECT_THAT(refusal([&] { FolderLock second(folder_.path()); }),
              HasSubstr("process " + std::to_string(getpid()) + " is writing this run folder"));
}

TEST_F(Lock, two_writers_AFreedFolderIsTakenAndLeftAsItWas) {
  { const FolderLock first(folder_.path()); }
  EXPECT_FALSE(std::filesystem::exists(folder_.path(FolderLock::kName)));
  const FolderLock second(folder_.path());
}

// The owner dies without a word; its file stays, the kernel's lock does not.
TEST_F(Lock, two_writers_AStaleLockIsRecovered) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    const FolderLock lock(folder_.path());
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_THAT(refusal([&] { FolderLock second(folder_.path()); }),
              HasSubstr("process " + std::to_string(owner)));
  ASSERT_EQ(kill(owner, SIGKILL), 0);
  ASSERT_EQ(waitpid(owner, nullptr, 0), owner);
  EXPECT_TRUE(std::filesystem::exists(folder_.path(FolderLock::kName)));
  const FolderLock third(folder_.path());
  EXPECT_EQ(read_file(folder_.path(FolderLock::kName)), std::to_string(getpid()) + "\n");
}

TEST_F(Lock, two_writers_AHostileLockFileIsNotFollowed) {
  const std::string victim = folder_.write("victim", "untouched");
  ASSERT_EQ(symlink(victim.c_str(), folder_.path(FolderLock::kName).c_str()), 0);
  EXPECT_NE(refusal([&] { FolderLock lock(folder_.path()); }), "");
  EXPECT_EQ(read_file(victim), "untouched");
}

// In a child: what it returns with after two signals, or 0 where it was not ended.
int child_under(int first, int second) {
  const pid_t child = fork();
  if (child == 0) {
    const InterruptGuard guard;
    if (interrupted()) _exit(90);
    raise(first);
    if (interrupted() != first) _exit(91);
    raise(second);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(Interrupt, sigterm_clean_TheFirstSignalAsksAndTheSecondEnds) {
  for (const int first : {SIGINT, SIGTERM})
    for (const int second : {SIGINT, SIGTERM})
      EXPECT_EQ(child_under(first, second), exit_code_of(second));
  EXPECT_EQ(exit_code_of(SIGINT), 130);
  EXPECT_EQ(exit_code_of(SIGTERM), 143);
}

TEST(Interrupt, sigterm_clean_FormerHandlersComeBackAndIgnoredSignalsStayIgnored) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGINT, SIG_IGN);
    {
      const InterruptGuard guard;
      raise(SIGINT);
      if (interrupted()) _exit(1);
      raise(SIGTERM);
      if (interrupted() != SIGTERM) _exit(2);
    }
    const InterruptGuard again;
    _exit(interrupted() ? 3 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace starling::reliability
