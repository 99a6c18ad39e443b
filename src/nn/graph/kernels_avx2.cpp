#include "nn/graph/kernels_body.h"

namespace starling::graph {

#if defined(__x86_64__)
extern const Kernels kKernelsAvx2;
const Kernels kKernelsAvx2 = kBody;
#endif

}  // namespace starling::graph
