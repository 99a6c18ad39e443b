#include "starling/nn/memory.h"

#include <c10/core/CPUAllocator.h>
#include <malloc.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "starling/core/error.h"

namespace starling {
namespace {

// Blocks of malloc, with the address that free wants in front of the aligned one.
class AlignedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const data = bytes == 0 ? nullptr : allocate_some(bytes);
    return {data, data, &free_data, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_data; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static constexpr size_t kAlignment = 64;

  static void* allocate_some(size_t bytes) {
    constexpr size_t kExtra = sizeof(void*) + kAlignment - 1;
    void* const block = bytes > PTRDIFF_MAX - kExtra ? nullptr : std::malloc(bytes + kExtra);
    if (block == nullptr)
      throw Error("out of memory: a tensor of " + std::to_string(bytes) + " bytes");
    const auto end = reinterpret_cast<uintptr_t>(block) + kExtra;
    auto** const data = reinterpret_cast<void**>(end - end % kAlignment);
    data[-1] = block;
    return data;
  }

  static void free_data(void* data) {
    if (data != nullptr) std::free(static_cast<void**>(data)[-1]);
  }
};

}  // namespace

void reuse_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, INT32_MAX);
  static AlignedAllocator allocator;
  c10::SetCPUAllocator(&allocator);
}

}  // namespace starling
