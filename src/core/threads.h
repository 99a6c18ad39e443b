#pragma once
// Loops on the threads that OpenMP gives: as many as LibTorch takes for its own, which share them.

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <cstdint>
#include <exception>

namespace starling {

// 1 within such a loop.
inline int64_t thread_count() {
#ifdef _OPENMP
  return omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
#else
  return 1;
#endif
}

// work(begin, end) for parts that make up 0..count, at most one a thread.
template <class Work>
void on_threads(int64_t count, const Work& work) {
  if (count <= 0) return;
  const int64_t size = (count + thread_count() - 1) / thread_count();
  std::exception_ptr failure;
#ifdef _OPENMP
#pragma omp parallel for schedule(static, 1)
#endif
  for (int64_t begin = 0; begin < count; begin += size) {
    try {
      work(begin, std::min(begin + size, count));
    } catch (...) {
#ifdef _OPENMP
#pragma omp critical
#endif
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace starling
