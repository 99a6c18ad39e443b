// The memory of a private step beside that of a plain one, for the models whose cost is measured:
// the peak of the bytes in tensors, which is the same on every run.

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <string>

#include "../experiments/bench/step_cost_models.h"
#include "starling/nn/per_example.h"

namespace starling {
namespace {

// Counts the bytes in tensors that are made while it lives.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() : before_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, kPriority); }
  ~CountingAllocator() override { c10::SetCPUAllocator(before_, kPriority); }

  c10::DataPtr allocate(size_t bytes) override {
    auto* const block =
        static_cast<char*>(std::aligned_alloc(kHead, kHead + bytes / kHead * kHead + kHead));
    *reinterpret_cast<size_t*>(block) = bytes;
    live += static_cast<int64_t>(bytes);
    peak = std::max(peak.load(), live.load());
    return {block + kHead, block + kHead, &free_data, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_data; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  static inline std::atomic<int64_t> live = 0, peak = 0;

 private:
  static constexpr uint8_t kPriority = 200;
  static constexpr size_t kHead = 64;
  static void free_data(void* data) {
    if (data == nullptr) return;
    auto* const block = static_cast<char*>(data) - kHead;
    live -= static_cast<int64_t>(*reinterpret_cast<size_t*>(block));
    std::free(block);
  }

  c10::Allocator* const before_;
};

// A process needs at most 1.5 times as much (experiments/bench): in it both steps also have the
// scratch of LibTorch's libraries, which is no tensor.
constexpr double kMost = 1.55;

// Of three steps, above what is there before: model, inputs and labels.
int64_t peak_of(const std::function<void()>& step) {
  const int64_t before = CountingAllocator::live;
  CountingAllocator::peak = before;
  for (int i = 0; i < 3; ++i) step();
  return CountingAllocator::peak - before;
}

void release_gradients(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.mutable_grad() = torch::Tensor();
}

struct Case {
  const char* model;
  int64_t batch;
};

class StepMemory : public ::testing::TestWithParam<Case> {};

TEST_P(StepMemory, OfAPrivateStepIsLittleMoreThanThatOfAPlainOne) {
  const CountingAllocator counting;
  const auto workload = bench::make_workload(GetParam().model, GetParam().batch);
  const auto losses = [&](auto reduction) {
    namespace F = torch::nn::functional;
    return F::cross_entropy(workload.forward(workload.inputs), workload.labels,
                            F::CrossEntropyFuncOptions().reduction(reduction));
  };
  const int64_t plain = peak_of([&] {
    release_gradients(*workload.module);
    losses(torch::kMean).backward();
  });
  release_gradients(*workload.module);

  NamedParameters parameters;
  for (const auto& item : workload.module->named_parameters())
    parameters.emplace_back(item.key(), item.value());
  PerExampleGradients gradients(parameters);
  const int64_t with_privacy = peak_of([&] {
    release_gradients(*workload.module);
    gradients.backward(losses(torch::kNone), Clipping{});
  });
  EXPECT_GT(plain, 0);
  EXPECT_LE(static_cast<double>(with_privacy), kMost * static_cast<double>(plain))
      << with_privacy << " bytes beside " << plain;
}

INSTANTIATE_TEST_SUITE_P(Models, StepMemory,
                         ::testing::Values(Case{"mlp", 64}, Case{"mlp", 1024},
                                           Case{"cnn_tutorial", 64}, Case{"cnn_tutorial", 256},
                                           Case{"cnn_mcmahan", 64}, Case{"resnet_gn", 64},
                                           Case{"lstm", 64}, Case{"transformer", 32}),
                         [](const auto& info) {
                           return std::string(info.param.model) + "_" +
                                  std::to_string(info.param.batch);
                         });

}  // namespace
}  // namespace starling
