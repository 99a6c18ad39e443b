#pragma once
// What strategies that distil share: how they do it, and the mean answers of the last round that
// had any.

#include "starling/federated/strategy.h"

namespace starling {

class DistillingStrategy : public Strategy {
 public:
  const Distilling* distilling() const final { return &distilling_; }
  std::span<const double> consensus() const final { return consensus_; }
  int64_t consensuses() const final {
    return consensuses_.empty() ? 0 : static_cast<int64_t>(consensuses_[0]);
  }
  ServerSlots slots() override {
    return {{"consensus", &consensus_}, {"consensuses", &consensuses_}};
  }

 protected:
  DistillingStrategy(Weighting weights, const Distilling& distilling)
      : Strategy(weights), distilling_(distilling) {}

  int64_t answers() const { return distilling_.answers; }
  void replace_consensus(std::span<const double> answers) {
    consensuses_.assign(1, static_cast<double>(consensuses() + 1));
    consensus_.assign(answers.begin(), answers.end());
  }

 private:
  Distilling distilling_;
  std::vector<double> consensus_;
  std::vector<double> consensuses_;  // rounds that had answers; a vector, for the checkpoint
};

}  // namespace starling
