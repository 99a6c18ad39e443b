#pragma once
// Several processes that carry out one run together, each with a share of a round's clients. Every
// rank has the same program, experiment and data; rank 0 alone writes files and prints. This header
// is free of MPI, which src/federated/ranks_mpi.cpp brings where it was found.
//
// Calls are collective: every rank makes the same ones, in the same order, from one thread.

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "starling/core/error.h"

namespace starling {

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual int64_t rank() const = 0;        // 0..size-1
  virtual int64_t size() const = 0;        // >= 1
  virtual int64_t local_size() const = 0;  // ranks on this machine

  // Each value becomes its sum over all ranks, in int64 arithmetic: the caller has made sure that
  // nothing wraps, or does not use what did.
  virtual void sum(std::span<int64_t> values) = 0;
  // Every rank has rank 0's bytes afterwards.
  virtual void broadcast(std::string& bytes) = 0;
  // What each rank gave, by rank.
  virtual std::vector<std::string> gather(const std::string& bytes) = 0;
  // Ends every rank at once, with exit code 1: for what the others cannot be told otherwise.
  virtual void abort() = 0;
};

// The only rank of a run that no launcher shared out.
class OneRank final : public Ranks {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 1; }
  int64_t local_size() const override { return 1; }
  void sum(std::span<int64_t>) override {}
  void broadcast(std::string&) override {}
  std::vector<std::string> gather(const std::string& bytes) override { return {bytes}; }
  void abort() override { std::abort(); }
};
Ranks& one_rank();

// Thrown on every rank where the work of at least one failed, so that all of them end. The text is
// rank 0's own, or names the rank that failed.
class AgreedError : public Error {
 public:
  AgreedError(const std::string& text, bool wrong_input) : Error(text), wrong_input_(wrong_input) {}
  bool wrong_input() const { return wrong_input_; }  // InputError, at that rank

 private:
  bool wrong_input_;
};

// Throws AgreedError on every rank if any rank gives a failure.
void agree(Ranks& ranks, const std::exception_ptr& failure);

// Calls work() on every rank and returns its result, or throws on every rank. `work` makes no
// collective calls. With one rank it is work() itself.
template <class Work>
auto together(Ranks& ranks, Work work) {
  using Result = std::invoke_result_t<Work&>;
  if (ranks.size() == 1) return work();
  std::exception_ptr failure;
  if constexpr (std::is_void_v<Result>) {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    agree(ranks, failure);
  } else {
    std::optional<Result> result;
    try {
      result.emplace(work());
    } catch (...) {
      failure = std::current_exception();
    }
    agree(ranks, failure);
    return std::move(*result);
  }
}

// How this process was started, as far as the environment tells.
struct Launch {
  bool has_mpi = false;  // by a launcher that MPI can talk to
  int64_t size = 1;      // processes that were started together; 0 where it is not known
  int64_t rank = 0;
};
// From Open MPI's, PMI's and PMIx's variables. Slurm's alone say that several processes were
// started together only within `srun`: a batch script has most of them too. `variable` is getenv.
Launch launch_of(const std::function<const char*(const char*)>& variable);

// The ranks that this process was started with; MPI is initialised only where there are several,
// and ended with the result. Errors: InputError where the copies cannot reach each other: without
// MPI in this program, or started by a launcher that it cannot talk to.
std::unique_ptr<Ranks> join_ranks(const Launch& launch);

}  // namespace starling
