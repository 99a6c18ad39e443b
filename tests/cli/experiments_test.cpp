// Every file of experiments/ runs: its plan as it stands, and one round on few examples.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "cli/program.h"
#include "starling/core/json.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using starling::testing::Folder;
using starling::testing::Outcome;
using starling::testing::starling;
using ::testing::AllOf;
using ::testing::HasSubstr;

const fs::path kRoot = STARLING_SOURCE_DIR;

std::vector<fs::path> experiment_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kRoot / "experiments"))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

Json description_of_data(const Json& experiment) {
  const std::string name = experiment.value("/dataset/name"_json_pointer, "digits");
  return read_json((kRoot / "datasets" / (name + ".json")).string());
}

// Tables are small, and one file holds all of theirs; of everything else the first examples do, and
// those that the server sets aside.
std::string overrides(const Json& experiment, const Json& data) {
  const std::string rounds = " --set /rounds=1";
  if (data.at("format") == "csv") return rounds;
  const int64_t aside =
      experiment.value("/strategy/distillation/public_examples"_json_pointer, int64_t{0});
  return rounds + " --set /dataset/train_limit=" + std::to_string(2000 + aside) +
         " --set /dataset/test_limit=200";
}

class ExperimentLong : public ::testing::TestWithParam<fs::path> {};

TEST_P(ExperimentLong, PlansAsItStandsAndRunsSmall) {
  const std::string file = "'" + GetParam().string() + "'";
  const Json experiment = read_json(GetParam().string());
  const Json data = description_of_data(experiment);
  const Outcome plan = starling("check " + file);
  if (plan.err.find("starling data fetch") != std::string::npos)
    GTEST_SKIP() << "set STARLING_DATA to a folder with " << data.at("name");
  EXPECT_EQ(plan.code, 0) << plan.err;

  const Folder folder("experiment");
  const Outcome run = starling("run " + file + overrides(experiment, data) + " --quiet --out '" +
                               (folder / "run") + "'");
  ASSERT_EQ(run.code, 0) << run.err;
  const Json record = read_json(folder / "run/run.json");
  EXPECT_EQ(record.at("status"), "complete");
  EXPECT_THAT(starling::testing::file_text(folder / "run/report.html"), HasSubstr("</html>"));
}

INSTANTIATE_TEST_SUITE_P(Files, ExperimentLong, ::testing::ValuesIn(experiment_files()),
                         [](const auto& info) { return info.param.stem().string(); });

// Mean test accuracy over three seeds; absent without the data. Noise is repeatable.
std::optional<double> mean_accuracy(const std::string& name, const std::string& more = "") {
  const Folder folder("accuracy");
  double sum = 0.0;
  for (const char* seed : {"1", "2", "3"}) {
    const std::string out = folder / seed;
    const Outcome run =
        starling("run '" + (kRoot / "experiments" / name).string() + "' --set /seed=" + seed +
                 more + " --quiet --threads 1 --out '" + out + "'");
    if (run.err.find("starling data fetch") != std::string::npos) return std::nullopt;
    EXPECT_EQ(run.code, 0) << run.err;
    sum += read_json(out + "/run.json").at("rounds").back().at("accuracy").get<double>();
  }
  return sum / 3;
}

TEST(Income, LongFederatedModelsComeNearThePooledOne) {
  const auto pooled = mean_accuracy(
      "income_logistic.json",
      R"( --set '/partition={"kind": "iid", "clients": 1}' --set /rounds=20 --set /evaluation/every=20)"
      R"( --set '/local={"epochs": 1, "batch_size": 32, "optimizer": {"kind": "sgd", "learning_rate": 0.05}}')");
  if (!pooled) GTEST_SKIP() << "set STARLING_DATA to a folder with income";
  EXPECT_GT(*pooled, 0.845);
  EXPECT_GT(*mean_accuracy("income_logistic.json"), *pooled - 0.005);
  for (const char* name : {"income_logistic_dp.json", "income_private_columns_dp.json"})
    EXPECT_GT(*mean_accuracy(name, " --set /privacy/insecure_seed=1"), *pooled - 0.02) << name;
}

std::string data_for(const fs::path& model) {
  if (model.stem() == "mlp_table") return "income";
  const bool reads_tokens =
      starling::testing::file_text(model).find("\"embedding\"") != std::string::npos;
  return reads_tokens ? "phrases" : "digits";
}

void expect_gradients(const fs::path& model) {
  const Outcome check =
      starling("check '" + model.string() + "' --gradients --set /dataset/name=" + data_for(model));
  if (check.err.find("starling data fetch") != std::string::npos) return;
  EXPECT_EQ(check.code, 0) << check.err;
  EXPECT_THAT(check.out, AllOf(HasSubstr("trainable parameters on the examples of"),
                               HasSubstr("derivatives agree with central differences")));
  EXPECT_THAT(check.out, ::testing::Not(HasSubstr("rounds")));
}

TEST(Models, GradientsOfAModelFileAgreeWithCentralDifferences) {
  expect_gradients(kRoot / "models/linear.json");
}

TEST(Models, LongGradientsOfEveryFileAgreeWithCentralDifferences) {
  for (const auto& entry : fs::directory_iterator(kRoot / "models"))
    if (entry.path().extension() == ".json") expect_gradients(entry.path());
}

// Commands between backticks that need neither a run folder nor a file of the reader's own. Of
// those that train, the plan is made.
std::vector<std::string> commands_of(const std::string& text) {
  const std::regex command("`starling ((?:run|check|privacy|data show|data partition) [^`]*)`");
  std::vector<std::string> commands;
  for (std::sregex_iterator match(text.begin(), text.end(), command), end; match != end; ++match) {
    const std::string found = (*match)[1];
    if (std::regex_search(found, std::regex("\\b(RUN|FILE|EXPERIMENT|NAME)\\b"))) continue;
    commands.push_back(found.starts_with("run ") ? "check " + found.substr(4) : found);
  }
  return commands;
}

TEST(Experiments, LongCommandsOfTheReadmeAreValid) {
  const auto commands = commands_of(starling::testing::file_text(kRoot / "experiments/README.md"));
  EXPECT_GT(commands.size(), 15U);
  for (const std::string& command : commands) {
    const Outcome outcome = starling(command, "cd '" + kRoot.string() + "' &&");
    const bool lacks_data = outcome.err.find("starling data fetch") != std::string::npos;
    EXPECT_TRUE(outcome.code == 0 || lacks_data) << command << "\n" << outcome.err;
  }
}

}  // namespace
}  // namespace starling
