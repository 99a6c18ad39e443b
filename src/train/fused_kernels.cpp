#include "train/fused_kernels.h"

namespace starling::fused {

extern const Kernels kKernelsBaseline;
#if defined(__x86_64__)
extern const Kernels kKernelsAvx2;
extern const Kernels kKernelsAvx512;
#endif

std::vector<const Kernels*> runnable_kernels() {
  std::vector<const Kernels*> versions{&kKernelsBaseline};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v3")) versions.push_back(&kKernelsAvx2);
  if (__builtin_cpu_supports("x86-64-v4")) versions.push_back(&kKernelsAvx512);
#endif
  return versions;
}

const Kernels& kernels() {
  static const Kernels& chosen = *runnable_kernels().back();
  return chosen;
}

}  // namespace starling::fused
