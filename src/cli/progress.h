#pragma once
#include <iosfwd>

#include "starling/experiment/run.h"

namespace starling::cli {

// What `starling run` prints: one live line on a terminal, a line a round when piped.
class Progress {
 public:
  Progress(std::ostream& out, bool quiet);

  void start(const RunRecord& record, const std::string& folder);
  void round(const RoundProgress& progress);
  void finish(const RunResult& result);

 private:
  std::ostream& out_;
  bool quiet_;
  bool live_;
  bool colour_;
};

}  // namespace starling::cli
