#include "nn/graph/kernels_body.h"

namespace starling::graph {

#if defined(__x86_64__)
extern const Kernels kKernelsAvx2;
#endif

const Kernels& kernels() {
#if defined(__x86_64__)
  static const bool modern = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (modern) return kKernelsAvx2;
#endif
  return kBody;
}

}  // namespace starling::graph
