#include <cstdint>

namespace starling::fused {
namespace {
constexpr int kLanes = 16;
constexpr int kRowTile = 10;
constexpr int kPixelTile = 7;
constexpr int kVectorTile = 4;
}  // namespace
}  // namespace starling::fused

#include "train/fused_kernels_body.h"

namespace starling::fused {

#if defined(__x86_64__)
extern const Kernels kKernelsAvx512;
const Kernels kKernelsAvx512 = kBody;
#endif

}  // namespace starling::fused
