#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/program.h"
#include "starling/core/json.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using starling::testing::file_text;
using starling::testing::Folder;
using starling::testing::Outcome;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kTeacher[] = R"({
  "name": "teacher",
  "dataset": {"name": "digits", "train_limit": 600, "test_limit": 300},
  "partition": {"kind": "iid", "clients": 2},
  "model": {"layers": [{"kind": "flatten"}, {"kind": "linear", "out_features": 64},
                       {"kind": "relu"}, {"kind": "linear"}]},
  "rounds": 8,
  "local": {"epochs": 2, "batch_size": 16, "optimizer": {"kind": "sgd", "learning_rate": 0.1}}
})";

constexpr char kStudent[] = R"({
  "name": "student",
  "layers": [{"kind": "avg_pool2d", "kernel_size": 4}, {"kind": "flatten"},
             {"kind": "linear", "out_features": 16}, {"kind": "relu"}, {"kind": "linear"}]
})";

Outcome run_teacher(const Folder& folder, const std::string& more = "") {
  folder.write("student.json", kStudent);
  return testing::run_into(folder, kTeacher, "teacher", more);
}

Outcome distill(const Folder& folder, const std::string& more) {
  return testing::starling("distill '" + (folder / "teacher") + "' --student '" +
                           (folder / "student.json") + "' " + more);
}

constexpr char kPrivate[] =
    "--set '/privacy={\"unit\": \"example\", \"epsilon\": 8, \"delta\": 1e-4}'";

TEST(Distill, ComparesTeacherStudentAndTheSameStudentAlone) {
  const Folder folder("distill");
  ASSERT_EQ(run_teacher(folder).code, 0);
  const auto outcome =
      distill(folder, "--epochs 4 --learning-rate 0.05 --temperature 2 --seeds 2 --out '" +
                          (folder / "a") + "'");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("student, distilled"));
  EXPECT_THAT(outcome.out, HasSubstr("student, labels alone"));
  EXPECT_THAT(outcome.out, HasSubstr("NO DP GUARANTEE. The teacher was trained without privacy"));
  const auto record = read_json(folder / "a/distillation.json");
  EXPECT_EQ(record["teacher"]["parameters"], 28 * 28 * 64 + 64 + 64 * 10 + 10);
  EXPECT_EQ(record["student"]["parameters"], 49 * 16 + 16 + 16 * 10 + 10);
  EXPECT_EQ(record["student"]["bytes"], 4 * (49 * 16 + 16 + 16 * 10 + 10));
  EXPECT_EQ(record["transfer_examples"], 600);
  EXPECT_THAT(record["student"]["accuracies"], SizeIs(2));
  EXPECT_THAT(record["alone"]["accuracies"], SizeIs(2));
  EXPECT_GT(record["student"]["accuracies"][0].get<double>(), 0.5);
  EXPECT_NE(record["student"]["accuracies"], record["alone"]["accuracies"]);
  EXPECT_GT(record["teacher"]["examples_per_second"].get<double>(), 0.0);
  EXPECT_TRUE(fs::exists(folder / "a/student.safetensors"));

  ASSERT_EQ(distill(folder, "--epochs 4 --learning-rate 0.05 --temperature 2 --quiet --out '" +
                                (folder / "b") + "'")
                .code,
            0);
  EXPECT_EQ(file_text(folder / "a/student.safetensors"),
            file_text(folder / "b/student.safetensors"));
  const auto occupied = distill(folder, "--out '" + (folder / "b") + "'");
  EXPECT_EQ(occupied.code, 2);
  EXPECT_THAT(occupied.err, HasSubstr("holds files already"));
}

TEST(Distill, FollowsLayersOfTheTeacherAndRecordsWhich) {
  const Folder folder("distill_layers");
  ASSERT_EQ(run_teacher(folder, "--set /rounds=2").code, 0);
  ASSERT_EQ(distill(folder, "--epochs 2 --quiet --out '" + (folder / "plain") + "'").code, 0);
  const auto outcome = distill(
      folder, "--epochs 2 --hint 2:3:0.5 --hint 0:1 --quiet --out '" + (folder / "hints") + "'");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto record = read_json(folder / "hints/distillation.json");
  EXPECT_EQ(record["matches"][0],
            Json({{"kind", "hint"}, {"teacher", "2"}, {"student", "3"}, {"weight", 0.5}}));
  EXPECT_EQ(record["matches"][1]["weight"], 1.0);
  const auto plain = read_json(folder / "plain/distillation.json");
  EXPECT_EQ(plain["matches"], Json::array());
  EXPECT_NE(file_text(folder / "hints/student.safetensors"),
            file_text(folder / "plain/student.safetensors"));
  // The projections are left out of the student, and the one that learns from labels alone has
  // none.
  EXPECT_EQ(fs::file_size(folder / "hints/student.safetensors"),
            fs::file_size(folder / "plain/student.safetensors"));
  EXPECT_EQ(record["student"]["parameters"], plain["student"]["parameters"]);
  EXPECT_EQ(record["alone"]["accuracies"], plain["alone"]["accuracies"]);
}

TEST(Distill, GuaranteeOfAPrivateTeacherHoldsForPublicExamplesAlone) {
  const Folder folder("distill_private");
  ASSERT_EQ(run_teacher(folder, kPrivate).code, 0);

  const auto on_private = distill(folder, "--epochs 1 --out '" + (folder / "a") + "'");
  ASSERT_EQ(on_private.code, 0) << on_private.err;
  EXPECT_THAT(on_private.out, HasSubstr("NO DP GUARANTEE. The student learned from its transfer"));
  EXPECT_THAT(on_private.out, Not(HasSubstr("(epsilon, delta)")));

  const auto undeclared = distill(folder, "--public");
  EXPECT_EQ(undeclared.code, 2);
  EXPECT_THAT(undeclared.err, HasSubstr("--public: needs --transfer"));

  // Seed 1 draws the teacher's own examples again.
  const auto same = distill(folder, "--transfer digits --limit 700 --public");
  EXPECT_EQ(same.code, 2);
  EXPECT_THAT(same.err, HasSubstr("600 of the 700 transfer examples are training examples"));

  const auto others = distill(folder,
                              "--transfer digits --limit 300 --public --seed 2 --epochs 1 "
                              "--out '" +
                                  (folder / "b") + "'");
  ASSERT_EQ(others.code, 0) << others.err;
  EXPECT_THAT(others.out, HasSubstr("(epsilon, delta)-differential privacy with epsilon = 8.00"));
  EXPECT_THAT(others.out, HasSubstr("(post-processing)"));
  EXPECT_THAT(others.out, Not(HasSubstr("NO DP GUARANTEE")));
  const auto record = read_json(folder / "b/distillation.json");
  EXPECT_THAT(record["privacy"].get<std::string>(), HasSubstr("epsilon = 8.00"));

  const auto not_declared = distill(folder,
                                    "--transfer digits --limit 300 --seed 2 --epochs 1 "
                                    "--out '" +
                                        (folder / "c") + "'");
  EXPECT_THAT(not_declared.out, HasSubstr("NO DP GUARANTEE"));
}

TEST(Distill, InsecureTeacherGivesNoGuarantee) {
  const Folder folder("distill_insecure");
  ASSERT_EQ(run_teacher(folder, std::string(kPrivate) + " --set /privacy/insecure_seed=7").code, 0);
  const auto outcome = distill(folder,
                               "--transfer digits --limit 50 --public --seed 2 --epochs 1 "
                               "--out '" +
                                   (folder / "a") + "'");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("INSECURE SEED: NO DP GUARANTEE"));
}

TEST(Distill, SaysWhatIsWrong) {
  const Folder folder("distill_wrong");
  ASSERT_EQ(run_teacher(folder, "--set /rounds=1").code, 0);
  const auto complaint = [&](const std::string& flags) {
    const auto outcome = distill(folder, flags);
    EXPECT_EQ(outcome.code, 2) << flags;
    return outcome.err;
  };
  EXPECT_THAT(complaint("--temperature 0"), HasSubstr("--temperature: 0 is outside 1e-06..1e+06"));
  EXPECT_THAT(complaint("--temperature nan"), HasSubstr("nan"));
  EXPECT_THAT(complaint("--hard-weight 2"), HasSubstr("--hard-weight: 2 is outside 0..1"));
  EXPECT_THAT(complaint("--hint 2"), HasSubstr("--hint 2: is not TEACHER:STUDENT"));
  EXPECT_THAT(complaint("--hint 2:3:x"), HasSubstr("--hint 2:3:x: the weight is not a number"));
  EXPECT_THAT(complaint("--hint 2:8"), HasSubstr("student: the model has no outermost layer"));
  EXPECT_THAT(complaint("--attention 2:3"),
              HasSubstr("attention 2:3: the teacher's layer makes [2, 64] of a batch"));
  EXPECT_FALSE(fs::exists(folder / "teacher-student"));  // refused before anything is written
  EXPECT_THAT(complaint("--skip 600"), HasSubstr("--skip: 600 leaves none"));
  const auto diverged = distill(folder, "--learning-rate 1000 --out '" + (folder / "a") + "'");
  EXPECT_EQ(diverged.code, 1);
  EXPECT_THAT(diverged.err, HasSubstr("lower --learning-rate"));
  EXPECT_THAT(complaint("--transfer linear"),
              HasSubstr("--transfer linear: has examples of another kind"));
  EXPECT_EQ(testing::starling("distill '" + (folder / "teacher") + "'").code, 2);
  const auto elsewhere = testing::starling("distill '" + (folder / "nowhere") + "' --student '" +
                                           (folder / "student.json") + "'");
  EXPECT_EQ(elsewhere.code, 2);
  EXPECT_THAT(elsewhere.err, HasSubstr("is not the folder of a finished run"));
}

}  // namespace
}  // namespace starling
