// Writes checkpoints of rounds 1..4 into a folder that keeps two, and says so after each; the
// program under the faults of checkpoint_test.

#include <cstdio>

#include "starling/core/checkpoint.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    const starling::CheckpointFolder folder(argv[1], 2);
    for (int64_t round = 1; round <= 4; ++round) {
      folder.write({"run", "config", round, {{"state", std::string(2000, 'a' + round)}}});
      std::printf("%d\n", static_cast<int>(round));
      std::fflush(stdout);
    }
  } catch (const starling::Error& problem) {
    std::printf("%s\n", problem.what());
    return 1;
  }
  return 0;
}
