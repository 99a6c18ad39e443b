#pragma once
// Checkpoints: everything that decides the rest of a run, after a whole number of rounds. One file
// a round, written at once or not at all, so that a crash leaves the state before or after, never a
// mixture; a SHA-256 over the whole file finds every changed or missing byte.
//
//   starling checkpoint <schema>\n
//   {"run": ..., "config": ..., "round": ..., "sections": [{"name": ..., "bytes": ...}, ...]}\n
//   the sections' bytes, one after the other
//   SHA-256 of all of the above (32 bytes)

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "starling/core/error.h"

namespace starling {

inline constexpr int64_t kCheckpointSchema = 1;

struct Checkpoint {
  std::string run;                              // id of the run
  std::string config;                           // hash of all that decides its bytes
  int64_t round = 0;                            // rounds that are finished
  std::map<std::string, std::string> sections;  // any bytes: tensors as safetensors, JSON

  // Errors: InputError naming the section.
  const std::string& section(const std::string& name) const;
};

// A file whose bytes are not those that were written.
class DamagedCheckpoint : public InputError {
 public:
  using InputError::InputError;
};

// The same checkpoint always gives the same bytes.
std::string format_checkpoint(const Checkpoint& checkpoint);
// `source` names the bytes in errors. Errors: DamagedCheckpoint where they are not a checkpoint,
// are cut short or changed; InputError where a newer version of Starling wrote them.
Checkpoint parse_checkpoint(std::string_view bytes, const std::string& source);

// The checkpoints of one run: <folder>/round-<number>.checkpoint. Their owner alone can read them:
// what clients keep between rounds is private.
class CheckpointFolder {
 public:
  // Made where absent. The newest `keep` (at least 1) checkpoints stay.
  CheckpointFolder(std::string folder, int64_t keep);

  // On the disk when it returns; only then older ones go. Errors: Error on a failed write or flush:
  // end the run.
  void write(const Checkpoint& checkpoint) const;

  // The newest that is whole, with a warning in the log for every newer one that is damaged; none
  // where there is no file. Errors: InputError where files are there and all are damaged, or where
  // the newest whole one is of a newer version.
  std::optional<Checkpoint> newest() const;

 private:
  std::string path_of(int64_t round) const;
  std::map<int64_t, std::string> files() const;  // by round

  std::string folder_;
  int64_t keep_;
};

// Refuses, with the reason, a checkpoint of another run or configuration. Errors: InputError.
void check_belongs(const Checkpoint& checkpoint, const std::string& run, const std::string& config,
                   const std::string& source);

}  // namespace starling
