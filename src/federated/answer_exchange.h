#pragma once
// Clients that keep their whole models and upload answers on the public set instead: what DS-FL and
// FedMD share.

#include <algorithm>

#include "starling/federated/strategy.h"

namespace starling {

class AnswerExchange : public Strategy {
 public:
  bool keeps_local(const TensorPlace&) const override { return true; }
  int64_t upload_size(int64_t) const override { return distilling_.answers; }
  int64_t download_size(int64_t) const override { return std::ssize(consensus_); }
  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    std::ranges::copy(result.answers, upload.begin());
  }
  const Distilling* distilling() const override { return &distilling_; }
  std::span<const double> consensus() const override { return consensus_; }
  void apply(std::span<double>, const MeanUpload& mean) override {
    consensus_.assign(mean.values.begin(), mean.values.end());
  }
  ServerSlots slots() override { return {{"consensus", &consensus_}}; }

 protected:
  AnswerExchange(Weighting weights, const Distilling& distilling)
      : Strategy(weights), distilling_(distilling) {}

 private:
  Distilling distilling_;
  std::vector<double> consensus_;
};

}  // namespace starling
