#include "cli/on_all_ranks.h"

#include <cstdlib>
#include <iostream>

#include "starling/core/error.h"
#include "starling/core/log.h"

namespace starling::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongInput = 2;

int on_one_of_many(Ranks& ranks, const std::function<int(Ranks&)>& work) {
  if (ranks.rank() > 0) log::to_stderr(log::Level::off);
  try {
    return work(ranks);
  } catch (const AgreedError& problem) {
    if (ranks.rank() > 0) return problem.wrong_input() ? kWrongInput : kFailed;
    if (problem.wrong_input()) throw InputError(problem.what());
    throw;
  } catch (const std::exception& problem) {
    if (ranks.rank() == 0) throw;
    std::cerr << "starling: rank " << ranks.rank() << ": " << problem.what() << std::endl;
    ranks.abort();
    return kFailed;
  }
}

}  // namespace

int on_all_ranks(const std::function<int(Ranks&)>& work) {
  const Launch launch = launch_of(std::getenv);
  std::unique_ptr<Ranks> ranks;
  try {
    ranks = join_ranks(launch);
  } catch (const Error&) {
    if (launch.rank == 0) throw;
    return kWrongInput;
  }
  return ranks->size() == 1 ? work(*ranks) : on_one_of_many(*ranks, work);
}

}  // namespace starling::cli
