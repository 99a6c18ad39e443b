#include <cstdint>

namespace starling::fused {
namespace {
constexpr int kLanes = 4;
constexpr int kRowTile = 5;
constexpr int kPixelTile = 5;
constexpr int kVectorTile = 2;
}  // namespace
}  // namespace starling::fused

#include "train/fused_kernels_body.h"

namespace starling::fused {

extern const Kernels kKernelsBaseline;
const Kernels kKernelsBaseline = kBody;

}  // namespace starling::fused
