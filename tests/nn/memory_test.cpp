#include "starling/nn/memory.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "starling/core/error.h"

namespace starling {
namespace {

// The tests behind this one in the process run with it too.
class ReuseMemory : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { reuse_memory(); }
};

TEST_F(ReuseMemory, AlignsTensorsOfEverySize) {
  for (int64_t size = 0; size < 300; ++size) {
    const auto tensor = torch::full({size}, 3, torch::kUInt8);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % 64, 0u) << size;
    EXPECT_EQ(tensor.sum().item<int64_t>(), 3 * size);
  }
}

// A hole may have joined free memory beside it, of tests before this one.
TEST_F(ReuseMemory, GivesTheHoleOfABlockToTheNextOfItsSize) {
  constexpr int64_t kFloats = 1 << 18;
  std::vector<torch::Tensor> tensors;
  for (int i = 0; i < 32; ++i) tensors.push_back(torch::empty({kFloats}));
  std::vector<const void*> holes;
  for (size_t i = 0; i < tensors.size(); i += 2) {
    holes.push_back(tensors[i].data_ptr());
    tensors[i] = torch::Tensor();
  }
  int64_t reused = 0;
  for (size_t i = 0; i < tensors.size(); i += 2) {
    tensors[i] = torch::empty({kFloats});
    reused += std::ranges::count(holes, tensors[i].data_ptr());
  }
  EXPECT_GE(reused, std::ssize(holes) / 2);
}

TEST_F(ReuseMemory, KeepsTheEntriesOfATensorThatGrows) {
  auto tensor = torch::arange(1000);
  tensor.resize_({500'000});
  EXPECT_TRUE(torch::equal(tensor.slice(0, 0, 1000), torch::arange(1000)));
}

TEST_F(ReuseMemory, SaysWhatCannotBeHad) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_THROW(torch::empty({kMost}, torch::kUInt8), Error);
}

}  // namespace
}  // namespace starling
