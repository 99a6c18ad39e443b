#include "starling/federated/ranks.h"

#include <gtest/gtest.h>

#include <map>

namespace starling {
namespace {

Launch launched(const std::map<std::string, const char*>& environment) {
  return launch_of([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second;
  });
}

void expect(const Launch& launch, bool has_mpi, int64_t size, int64_t rank) {
  EXPECT_EQ(launch.has_mpi, has_mpi);
  EXPECT_EQ(launch.size, size);
  EXPECT_EQ(launch.rank, rank);
}

TEST(LaunchOf, KnowsTheLaunchersOfMpi) {
  expect(launched({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "3"}}), true, 4, 3);
  expect(launched({{"PMI_SIZE", "2"}, {"PMI_RANK", "1"}}), true, 2, 1);
  expect(launched({{"PMIX_RANK", "5"}, {"SLURM_STEP_NUM_TASKS", "8"}}), true, 8, 5);
  expect(launched({{"PMIX_RANK", "5"}}), true, 0, 5);
}

TEST(LaunchOf, TakesAProgramOfABatchScriptForOneProcess) {
  expect(launched({}), false, 1, 0);
  expect(launched({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}), false, 1,
         0);
  expect(launched({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}), false, 1, 0);
}

TEST(LaunchOf, SeesCopiesThatSrunStartedWithoutAPmi) {
  expect(launched({{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}}), false, 4, 2);
  EXPECT_THROW(join_ranks({false, 4, 2}), InputError);
}

TEST(LaunchOf, IgnoresWhatIsNoNumber) {
  expect(launched({{"OMPI_COMM_WORLD_SIZE", "four"}}), false, 1, 0);
  expect(launched({{"PMI_SIZE", "-2"}}), false, 1, 0);
}

// Two ranks of which the other has failed with `text`.
class WithAFailedOther final : public Ranks {
 public:
  explicit WithAFailedOther(std::string text) : text_(std::move(text)) {}
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 2; }
  int64_t local_size() const override { return 2; }
  void sum(std::span<int64_t> values) override { values[0] += text_.empty() ? 0 : 1; }
  void broadcast(std::string&) override {}
  std::vector<std::string> gather(const std::string& bytes) override { return {bytes, text_}; }
  void abort() override {}

 private:
  std::string text_;
};

TEST(Together, ReturnsWhereEveryRankSucceeds) {
  WithAFailedOther ranks("");
  EXPECT_EQ(together(ranks, [] { return 7; }), 7);
}

TEST(Together, ThrowsOnEveryRankWhereOneFails) {
  WithAFailedOther ranks("ifile.json: is not there");
  try {
    together(ranks, [] { return 7; });
    FAIL() << "no error";
  } catch (const AgreedError& problem) {
    EXPECT_STREQ(problem.what(), "rank 1: file.json: is not there");
    EXPECT_TRUE(problem.wrong_input());
  }
}

TEST(Together, GivesRankZerosOwnErrorFirst) {
  WithAFailedOther ranks("fno memory");
  try {
    together(ranks, [] { throw Error("mine"); });
    FAIL() << "no error";
  } catch (const AgreedError& problem) {
    EXPECT_STREQ(problem.what(), "mine");
    EXPECT_FALSE(problem.wrong_input());
  }
}

TEST(Together, OnOneRankLeavesErrorsAsTheyAre) {
  EXPECT_THROW(together(one_rank(), [] { throw InputError("mine"); }), InputError);
}

}  // namespace
}  // namespace starling
