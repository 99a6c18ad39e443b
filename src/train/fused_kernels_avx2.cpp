#include <cstdint>

namespace starling::fused {
namespace {
constexpr int kLanes = 8;
constexpr int kRowTile = 5;
constexpr int kPixelTile = 6;
constexpr int kVectorTile = 2;
}  // namespace
}  // namespace starling::fused

#include "train/fused_kernels_body.h"

namespace starling::fused {

#if defined(__x86_64__)
extern const Kernels kKernelsAvx2;
const Kernels kKernelsAvx2 = kBody;
#endif

}  // namespace starling::fused
