#pragma once

namespace starling::graph {

// Makes LibTorch compute float32 in float32, and the same values each time, in the whole process.
// Norms and clipped sums are products of different shapes, some of which are computed twice. Where
// TensorFloat-32 or bfloat16 take float32's place (cuDNN's default for convolutions), or where
// cuDNN picks its algorithm by a race, a sum differs from what was measured by 1e-3 of its size,
// and an example contributes more than the bound. Cheap enough for every step.
void use_full_precision();

}  // namespace starling::graph
