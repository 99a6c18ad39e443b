#pragma once
// The mean answers of the last round that had any, which strategies that distil keep.

#include "starling/federated/strategy.h"

namespace starling {

class Consensus {
 public:
  void replace(std::span<const double> answers) {
    values_.assign(answers.begin(), answers.end());
    count_.assign(1, static_cast<double>(count() + 1));
  }
  const std::vector<double>& values() const { return values_; }
  int64_t count() const { return count_.empty() ? 0 : static_cast<int64_t>(count_[0]); }
  ServerSlots slots() { return {{"consensus", &values_}, {"consensuses", &count_}}; }

 private:
  std::vector<double> values_;
  std::vector<double> count_;  // of rounds that had answers; a vector, for the checkpoint
};

}  // namespace starling
