#include <algorithm>

#include "federated/distilling_strategy.h"

namespace starling {
namespace {

// An upload is the update and, after it, the answers that the server computes from it. Where there
// are classes of devices, a client fills the place of its own architecture:
//   update of the server's | answers | 1 if of it, for the server's and each device's | update of
//   each
// so that the mean of the ones is the weight that an architecture's mean has to be divided by.
class FedDf final : public DistillingStrategy {
 public:
  FedDf(const FedDfSpec& spec, int64_t answers, std::vector<std::vector<double>> device_models)
      : DistillingStrategy(spec.weights, {.settings = spec.distillation,
                                          .answers = answers,
                                          .target_temperature = spec.temperature,
                                          .student_temperature = spec.temperature}),
        device_models_(std::move(device_models)) {}

  std::string name() const override { return "feddf"; }
  int64_t upload_size(int64_t size) const override {
    size += answers();
    if (device_models_.empty()) return size;
    size += 1 + std::ssize(device_models_);
    for (const auto& model : device_models_) size += std::ssize(model);
    return size;
  }
  int64_t sent_size(int64_t size) const override { return size; }
  void upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const override {
    std::ranges::fill(upload, 0.0);
    const auto parts = split(upload);
    std::ranges::copy(result.answers, parts.answers.begin());
    if (!result.device) {
      std::ranges::copy(result.update, parts.update.begin());
      if (!parts.members.empty()) parts.members[0] = 1.0;
    } else {
      std::ranges::copy(result.update, parts.device_updates.at(*result.device).begin());
      parts.members[1 + *result.device] = 1.0;
    }
  }
  std::span<const std::vector<double>> device_models() const override { return device_models_; }
  void apply(std::span<double> global, const MeanUpload& mean) override {
    const auto parts = split(mean.values);
    add(global, parts.update, parts.members.empty() ? 1.0 : parts.members[0]);
    for (size_t i = 0; i < device_models_.size(); ++i)
      add(device_models_[i], parts.device_updates[i], parts.members[1 + i]);
    replace_consensus(parts.answers);
  }
  void set_device_model(size_t device, std::vector<double> model) override {
    device_models_.at(device) = std::move(model);
  }
  ServerSlots slots() override {
    ServerSlots slots = DistillingStrategy::slots();
    for (size_t i = 0; i < device_models_.size(); ++i)
      slots.emplace_back("device_" + std::to_string(i), &device_models_[i]);
    return slots;
  }

 private:
  template <class Value>
  struct Parts {
    std::span<Value> update, answers, members;
    std::vector<std::span<Value>> device_updates;
  };

  template <class Value>
  Parts<Value> split(std::span<Value> upload) const {
    const auto take = [&](int64_t size) {
      const auto part = upload.first(static_cast<size_t>(size));
      upload = upload.subspan(part.size());
      return part;
    };
    Parts<Value> parts;
    parts.update = take(std::ssize(upload) - upload_size(0));
    parts.answers = take(answers());
    if (device_models_.empty()) return parts;
    parts.members = take(1 + std::ssize(device_models_));
    for (const auto& model : device_models_)
      parts.device_updates.push_back(take(std::ssize(model)));
    return parts;
  }

  // An architecture none of whose clients took part keeps its model.
  static void add(std::span<double> model, std::span<const double> update, double members) {
    if (members == 0.0) return;
    for (size_t i = 0; i < model.size(); ++i) model[i] += update[i] / members;
  }

  std::vector<std::vector<double>> device_models_;
};

}  // namespace

std::unique_ptr<Strategy> feddf(const FedDfSpec& spec, int64_t answers,
                                std::vector<std::vector<double>> device_models) {
  return std::make_unique<FedDf>(spec, answers, std::move(device_models));
}

}  // namespace starling
