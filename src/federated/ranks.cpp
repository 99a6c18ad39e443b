#include "starling/federated/ranks.h"

#include <charconv>
#include <string_view>

#include "federated/ranks_mpi.h"

namespace starling {
namespace {

constexpr char kWrongInput = 'i';
constexpr char kFailed = 'f';

// The kind of error and its text; empty for none.
std::string described(const std::exception_ptr& failure) {
  if (!failure) return "";
  try {
    std::rethrow_exception(failure);
  } catch (const InputError& problem) {
    return kWrongInput + std::string(problem.what());
  } catch (const std::exception& problem) {
    return kFailed + std::string(problem.what());
  } catch (...) {
    return kFailed + std::string("failed in an unknown way");
  }
}

std::optional<int64_t> number(const char* text) {
  if (text == nullptr) return std::nullopt;
  const std::string_view digits = text;
  int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || value < 0)
    return std::nullopt;
  return value;
}

}  // namespace

Ranks& one_rank() {
  static OneRank ranks;
  return ranks;
}

void agree(Ranks& ranks, const std::exception_ptr& failure) {
  int64_t failures = failure ? 1 : 0;
  ranks.sum({&failures, 1});
  if (failures == 0) return;
  const auto problems = ranks.gather(described(failure));
  for (size_t rank = 0; rank < problems.size(); ++rank) {
    if (problems[rank].empty()) continue;
    const std::string where = rank == 0 ? "" : "rank " + std::to_string(rank) + ": ";
    throw AgreedError(where + problems[rank].substr(1), problems[rank][0] == kWrongInput);
  }
}

Launch launch_of(const std::function<const char*(const char*)>& variable) {
  const auto value = [&](const char* name) { return number(variable(name)); };
  if (const auto size = value("OMPI_COMM_WORLD_SIZE"))
    return {true, *size, value("OMPI_COMM_WORLD_RANK").value_or(0)};
  if (const auto size = value("PMI_SIZE")) return {true, *size, value("PMI_RANK").value_or(0)};
  const auto step = value("SLURM_STEP_NUM_TASKS");
  if (const auto rank = value("PMIX_RANK")) return {true, step.value_or(0), *rank};
  if (step && *step > 1) return {false, *step, value("SLURM_PROCID").value_or(0)};
  return {};
}

std::unique_ptr<Ranks> join_ranks(const Launch& launch) {
  if (launch.size == 1) return std::make_unique<OneRank>();
  const std::string copies = launch.size == 0 ? "several" : std::to_string(launch.size);
  if (!launch.has_mpi)
    throw InputError("srun started " + copies +
                     " copies of this program without a PMI, so that they cannot work together; "
                     "use srun --mpi=pmix, or mpirun, or one task (srun -n 1)");
  auto ranks = mpi_ranks();
  if (!ranks)
    throw InputError(copies +
                     " copies were started, and this program was built without MPI; build it with "
                     "-DSTARLING_MPI=ON, or run it once: --threads shares out the cores of one "
                     "machine");
  if (launch.size != 0 && ranks->size() != launch.size)
    throw InputError(copies + " copies were started, and MPI connects " +
                     std::to_string(ranks->size()) +
                     " of them; start them with the mpirun of the MPI that this program was built "
                     "with");
  return ranks;
}

}  // namespace starling
