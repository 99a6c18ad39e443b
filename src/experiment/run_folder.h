#pragma once
#include <map>
#include <memory>
#include <string>

#include "experiment/metrics.h"
#include "starling/core/files.h"
#include "starling/core/folder_lock.h"
#include "starling/core/json.h"
#include "starling/federated/simulation.h"
#include "starling/federated/world.h"
#include "starling/nn/state.h"
#include "starling/report/record.h"
#include "starling/train/trainer.h"

namespace starling::experiment {

// The folder that a run writes, and the files in it. One process at a time has it.
class RunFolder {
 public:
  // `out`, or a new `<parent>/<name>-<time>`. Errors: InputError where `out` holds files already;
  // Error where another process writes it.
  static RunFolder make(const std::string& out, const std::string& parent, const std::string& name);
  // The folder of a run that was interrupted. Errors: InputError where it is none; where it is
  // complete, a key that a crash left behind is removed.
  static RunFolder reopen(const std::string& folder);

  // Bytes of each table that there is, and back to them: rows of rounds after a checkpoint go.
  // Errors: InputError where a table is shorter than that.
  std::map<std::string, int64_t> table_sizes() const;
  void cut_tables(const std::map<std::string, int64_t>& sizes) const;

  std::string path(const std::string& file) const { return folder_ + "/" + file; }
  const std::string& folder() const { return folder_; }

  void write_experiment(const Json& resolved) const;
  void append_round(const RoundRecord& round, double seconds);
  // Who was there and what travelled: for rounds whose cohorts are public. `shows_uploads` is false
  // under client-level privacy, where it is private which uploads were fit to count.
  void append_communication(int64_t round, const RoundStory& story, const RoundOutcome& outcome,
                            bool shows_uploads);
  // Training metrics: private in a DP run, and then readable by the owner alone.
  void append_training(int64_t round, const LocalMetrics& metrics, bool is_private);
  // The global model's accuracy on one client's own examples: likewise.
  void append_client(int64_t round, int64_t client, const Evaluation& evaluation,
                     bool is_regression, bool is_private);
  // run.json comes last: where it says that the run is complete, everything is there.
  void finish(const RunRecord& record, const StateDict& model,
              const std::vector<StateDict>& device_models) const;

 private:
  DurableFile& open(std::unique_ptr<DurableFile>& file, const Table& table,
                    bool is_private_run = false);

  explicit RunFolder(const std::string& folder);

  std::string folder_;
  std::unique_ptr<FolderLock> lock_;
  std::unique_ptr<DurableFile> rounds_;
  std::unique_ptr<DurableFile> timings_;
  std::unique_ptr<DurableFile> communication_;
  std::unique_ptr<DurableFile> training_;
  std::unique_ptr<DurableFile> clients_;
};

// The time as 2024-05-31T12:00:00Z.
std::string utc_now();

}  // namespace starling::experiment
