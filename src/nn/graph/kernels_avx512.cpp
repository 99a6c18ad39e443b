#if defined(__x86_64__)
#define STARLING_VECTOR_BYTES 64
#include "nn/graph/kernels_body.h"

namespace starling::graph {

extern const Kernels kKernelsAvx512;
const Kernels kKernelsAvx512 = kBody;

}  // namespace starling::graph
#endif
