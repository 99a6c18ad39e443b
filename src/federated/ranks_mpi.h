#pragma once
#include <memory>

#include "starling/federated/ranks.h"

namespace starling {

// All processes that MPI started; null in a build without MPI (ranks_without_mpi.cpp).
std::unique_ptr<Ranks> mpi_ranks();

}  // namespace starling
