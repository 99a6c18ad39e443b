#pragma once
// Clients that keep their whole models and upload answers on the public set instead: what DS-FL and
// FedMD share.

#include <algorithm>

#include "federated/consensus.h"

namespace starling {

class AnswerExchange : public Strategy {
 public:
  bool keeps_local(const TensorPlace&) const override { return true; }
  int64_t upload_size(int64_t) const override { return distilling_.answers; }
  int64_t download_size(int64_t) const override { return std::ssize(consensus_.values()); }
  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    std::ranges::copy(result.answers, upload.begin());
  }
  const Distilling* distilling() const override { return &distilling_; }
  std::span<const double> consensus() const override { return consensus_.values(); }
  int64_t consensuses() const override { return consensus_.count(); }
  void apply(std::span<double>, const MeanUpload& mean) override {
    consensus_.replace(mean.values);
  }
  ServerSlots slots() override { return consensus_.slots(); }

 protected:
  AnswerExchange(Weighting weights, const Distilling& distilling)
      : Strategy(weights), distilling_(distilling) {}

 private:
  Distilling distilling_;
  Consensus consensus_;
};

}  // namespace starling
