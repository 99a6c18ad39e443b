// As a run does: for rounds 1..4 a line of a durable file, then a checkpoint, into a folder that
// keeps two; says so after each. The program under the faults of checkpoint_test.

#include <cstdio>

#include "starling/core/checkpoint.h"
#include "starling/core/files.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    const starling::CheckpointFolder folder(argv[1], 2);
    starling::DurableFile lines(std::string(argv[1]) + "/lines");
    for (int64_t round = 1; round <= 4; ++round) {
      lines.append(std::to_string(round) + "\n");
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
