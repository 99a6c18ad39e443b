#pragma once
// Clients that keep their whole models and upload answers on the public set instead: what DS-FL and
// FedMD share.

#include <algorithm>

#include "federated/distilling_strategy.h"

namespace starling {

class AnswerExchange : public DistillingStrategy {
 public:
  bool keeps_local(const TensorPlace&) const override { return true; }
  int64_t upload_size(int64_t) const override { return answers(); }
  int64_t download_size(int64_t) const override { return std::ssize(consensus()); }
  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    std::ranges::copy(result.answers, upload.begin());
  }
  void apply(std::span<double>, const MeanUpload& mean) override { replace_consensus(mean.values); }

 protected:
  using DistillingStrategy::DistillingStrategy;
};

}  // namespace starling
