#include "nn/graph/kernels_body.h"

namespace starling::graph {

#if defined(__x86_64__)
extern const Kernels kKernelsAvx2, kKernelsAvx512;
#endif

const Kernels& kernels() {
#if defined(__x86_64__)
  static const Kernels* const best = [] {
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw");
    return avx512 ? &kKernelsAvx512 : avx2 ? &kKernelsAvx2 : &kBody;
  }();
  return *best;
#else
  return kBody;
#endif
}

}  // namespace starling::graph
