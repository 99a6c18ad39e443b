#include "federated/ranks_mpi.h"

#include <mpi.h>

#include <algorithm>
#include <array>

namespace starling {
namespace {

// MPI counts in int.
constexpr size_t kLargestPiece = size_t{1} << 28;

// Calls work(values of a piece, their number) for pieces that MPI can count.
template <class Value, class Work>
void in_pieces(Value* values, size_t size, Work work) {
  for (size_t first = 0; first < size; first += kLargestPiece)
    work(values + first, static_cast<int>(std::min(kLargestPiece, size - first)));
}

// MPI's default for errors is to end every rank, so that return codes tell nothing.
class MpiRanks final : public Ranks {
 public:
  MpiRanks() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    if (provided < MPI_THREAD_FUNNELED) {
      MPI_Finalize();
      throw Error("this MPI does not allow a program to have threads");
    }
    rank_ = ask(MPI_COMM_WORLD, MPI_Comm_rank);
    size_ = ask(MPI_COMM_WORLD, MPI_Comm_size);
    MPI_Comm machine;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    local_size_ = ask(machine, MPI_Comm_size);
    MPI_Comm_free(&machine);
  }
  ~MpiRanks() override { MPI_Finalize(); }

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }
  int64_t local_size() const override { return local_size_; }

  void sum(std::span<int64_t> values) override {
    in_pieces(values.data(), values.size(), [](int64_t* piece, int count) {
      MPI_Allreduce(MPI_IN_PLACE, piece, count, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    });
  }
  void broadcast(std::string& bytes) override { broadcast_from(0, bytes); }
  std::vector<std::string> gather(const std::string& bytes) override {
    std::vector<std::string> all(static_cast<size_t>(size_));
    all[static_cast<size_t>(rank_)] = bytes;
    for (int root = 0; root < size_; ++root) broadcast_from(root, all[static_cast<size_t>(root)]);
    return all;
  }
  void abort() override { MPI_Abort(MPI_COMM_WORLD, 1); }

 private:
  static int ask(MPI_Comm ranks, int (*question)(MPI_Comm, int*)) {
    int answer = 0;
    question(ranks, &answer);
    return answer;
  }
  void broadcast_from(int root, std::string& bytes) {
    uint64_t size = bytes.size();
    MPI_Bcast(&size, 1, MPI_UINT64_T, root, MPI_COMM_WORLD);
    bytes.resize(size);
    in_pieces(bytes.data(), bytes.size(), [root](char* piece, int count) {
      MPI_Bcast(piece, count, MPI_BYTE, root, MPI_COMM_WORLD);
    });
  }

  int rank_ = 0;
  int size_ = 1;
  int local_size_ = 1;
};

}  // namespace

std::unique_ptr<Ranks> mpi_ranks() { return std::make_unique<MpiRanks>(); }

}  // namespace starling
