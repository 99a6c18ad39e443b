#include <algorithm>

#include "federated/averaging.h"

namespace starling {
namespace {

// An upload is the update and, after it, the answers that the server computes from it.
class FedDf final : public Averaging {
 public:
  FedDf(const FedDfSpec& spec, int64_t answers) : Averaging(spec.weights, 1.0) {
    distilling_.settings = spec.distillation;
    distilling_.answers = answers;
    distilling_.target_temperature = spec.temperature;
    distilling_.student_temperature = spec.temperature;
  }

  std::string name() const override { return "feddf"; }
  int64_t upload_size(int64_t size) const override { return size + distilling_.answers; }
  int64_t sent_size(int64_t size) const override { return size; }
  void upload(const LocalResult& result, ClientMemory& memory,
              std::span<double> upload) const override {
    Strategy::upload(result, memory, upload);
    std::ranges::copy(result.answers, upload.subspan(result.update.size()).begin());
  }
  const Distilling* distilling() const override { return &distilling_; }
  std::span<const double> consensus() const override { return consensus_; }
  void apply(std::span<double> global, const MeanUpload& mean) override {
    Averaging::apply(global, mean);
    const auto answers = mean.values.subspan(global.size());
    consensus_.assign(answers.begin(), answers.end());
  }
  ServerSlots slots() override { return {{"consensus", &consensus_}}; }

 private:
  Distilling distilling_;
  std::vector<double> consensus_;
};

}  // namespace

std::unique_ptr<Strategy> feddf(const FedDfSpec& spec, int64_t answers) {
  return std::make_unique<FedDf>(spec, answers);
}

}  // namespace starling
