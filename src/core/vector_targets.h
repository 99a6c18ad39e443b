#pragma once
// One loop body, compiled for several x86-64 instruction sets and chosen at run time. The body is
// an always-inlined template or function of plain loops; floating-point contraction is off for
// every target, so all versions give the same bits.

#if defined(__x86_64__) && defined(__GNUC__)
#define STARLING_VECTOR_TARGETS 1
#define STARLING_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define STARLING_TARGET_AVX512                                   \
  __attribute__((                                                \
      target("avx2,bmi,bmi2,avx512f,avx512vl,avx512dq,avx512bw," \
             "prefer-vector-width=512")))
#else
#define STARLING_VECTOR_TARGETS 0
#define STARLING_TARGET_AVX2
#define STARLING_TARGET_AVX512
#endif
#define STARLING_INLINE __attribute__((always_inline)) inline

namespace starling {

enum class VectorTarget { baseline, avx2, avx512 };

// The best one that this CPU runs.
inline VectorTarget vector_target() {
#if STARLING_VECTOR_TARGETS
  static const VectorTarget target = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
      return VectorTarget::avx512;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")
               ? VectorTarget::avx2
               : VectorTarget::baseline;
  }();
  return target;
#else
  return VectorTarget::baseline;
#endif
}

// Runs Loop::run(arguments...), compiled for `target`. `run` is a static STARLING_INLINE function.
template <typename Loop, typename... Arguments>
STARLING_TARGET_AVX2 auto run_avx2(Arguments... arguments) {
  return Loop::run(arguments...);
}
template <typename Loop, typename... Arguments>
STARLING_TARGET_AVX512 auto run_avx512(Arguments... arguments) {
  return Loop::run(arguments...);
}
template <typename Loop, typename... Arguments>
auto run_on(VectorTarget target, Arguments... arguments) {
  switch (target) {
    case VectorTarget::avx512:
      return run_avx512<Loop>(arguments...);
    case VectorTarget::avx2:
      return run_avx2<Loop>(arguments...);
    case VectorTarget::baseline:
      break;
  }
  return Loop::run(arguments...);
}

}  // namespace starling
