#pragma once
#include <string>

#include "starling/core/random.h"
#include "starling/experiment/experiment.h"

namespace starling::experiment {

// The key that decides sampling coins and noise. Under privacy it comes from the operating system
// and is kept, readable by its owner alone, outside the run folder while the run lasts: with it an
// interrupted run can go on with the same streams. Without privacy, and under insecure_seed, it
// comes from a seed and no file is written.
class RunKey {
 public:
  RunKey(const Experiment& experiment, const std::string& run_id, const std::string& key_file);
  ~RunKey();
  RunKey(const RunKey&) = delete;
  RunKey& operator=(const RunKey&) = delete;

  const RandomKey& key() const { return key_; }

 private:
  RandomKey key_;
  std::string path_;
};

}  // namespace starling::experiment
