// Entry point for libFuzzer: one program, the target's number in STARLING_FUZZ_TARGET.

#include <cstdlib>

#include "fuzz/fuzz.h"
#include "starling/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto target = [] {
    const char* number = std::getenv("STARLING_FUZZ_TARGET");
    return starling::fuzz::targets().at(number == nullptr ? 0 : std::strtoul(number, nullptr, 10));
  }();
  try {
    target.read({reinterpret_cast<const char*>(data), size});
  } catch (const starling::Error&) {
  }
  return 0;
}
