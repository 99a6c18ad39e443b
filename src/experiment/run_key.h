#pragma once
#include <optional>
#include <string>

#include "starling/core/random.h"
#include "starling/experiment/experiment.h"

namespace starling::experiment {

// Of runs whose key comes from a seed: without privacy, and under insecure_seed.
std::optional<RandomKey> repeatable_key(const Experiment& experiment);

// The key that decides sampling coins and noise. Under privacy it comes from the operating system
// and is kept, readable by its owner alone, outside the run folder until the run is complete: with
// it an interrupted run goes on with the same streams, without it nobody can. Without privacy, and
// under insecure_seed, it comes from a seed and no file is written.
class RunKey {
 public:
  // Drawn for a new run, read for one that `resumes`. Errors: InputError where a new run's file
  // exists, since a key belongs to one run, and where a resumed run's file is gone.
  RunKey(const Experiment& experiment, const std::string& run_id, const std::string& key_file,
         bool resumes);
  ~RunKey();  // removes the file unless the run can be resumed
  RunKey(const RunKey&) = delete;
  RunKey& operator=(const RunKey&) = delete;

  const RandomKey& key() const { return key_; }

  // From now on an end without `retire` leaves the file for a resume.
  void keep() { kept_ = true; }
  // The run is complete: the key goes.
  void retire();

  // Removes the key that a crash between a run's last file and `retire` left in the state folder. A
  // file that the user named stays: nothing says that it is this run's.
  static void forget(const std::string& run_id);

 private:
  RandomKey key_;
  std::string path_;
  bool kept_ = false;
};

}  // namespace starling::experiment
