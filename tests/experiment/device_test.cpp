// Where the models of a run live: refusals, and that a device other than the CPU changes nothing
// but the rounding. Runs of every kind on such a device are resume_test.cpp and
// federations_test.cpp.

#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>

#include "experiment/documents.h"
#include "nn/stand_in_device.h"
#include "nn/test_device.h"
#include "starling/core/files.h"
#include "starling/experiment/run.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr double kRounding = 1e-3;  // of weights after a few private steps, float32

struct CutOff {};

class RunOnADevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::test_device().is_cuda()) GTEST_SKIP() << "a process has one kind of device";
  }
  ~RunOnADevice() override { fs::remove_all(folder_); }

  RunOptions options(const std::string& out, std::optional<c10::Device> device) const {
    RunOptions options;
    options.source = "test";
    options.out = (folder_ / out).string();
    options.key_file = (folder_ / (out + ".key")).string();
    options.workers = 2;
    options.device = device;
    return options;
  }
  StateDict model_of(const std::string& out) const {
    return load_state_file((folder_ / out / "model.safetensors").string());
  }

 private:
  const fs::path folder_ =
      fs::temp_directory_path() / ("starling-device-" + std::to_string(getpid()));
};

Json experiment_json() {
  return parse_json(R"({
    "name": "t", "rounds": 2,
    "dataset": {"name": "digits", "train_limit": 120, "test_limit": 40},
    "partition": {"kind": "iid", "clients": 3},
    "model": {"layers": [{"kind": "conv2d", "out_channels": 4, "kernel_size": 5, "stride": 2},
                         {"kind": "group_norm", "num_groups": 2}, {"kind": "relu"},
                         {"kind": "flatten"}, {"kind": "linear"}]},
    "local": {"epochs": 1, "batch_size": 20, "optimizer": {"kind": "sgd", "learning_rate": 0.1}},
    "privacy": {"unit": "example", "noise_multiplier": 1, "delta": 1e-3, "insecure_seed": 1}
  })",
                    "t");
}

TEST_F(RunOnADevice, CudaWithoutAGpuIsRefusedWithARemedy) {
  if (at::hasCUDA()) GTEST_SKIP() << "there is a GPU";
  const auto experiment =
      parse_experiment(test::with("/compute", R"({"device": "cuda"})", experiment_json()), "test");
  const auto text = test::error_of([&] { run(experiment, options("cuda", {})); });
  EXPECT_THAT(text, StartsWith("test: /compute/device: \"cuda\" needs a GPU"));
  EXPECT_THAT(text, HasSubstr("use \"cpu\""));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("\n")));
}

// The same key draws the same batches and the same noise.
TEST_F(RunOnADevice, ReleasesWhatTheCpuReleases) {
  for (const char* noise : {"fast", "secure"}) {
    const auto experiment = parse_experiment(
        test::with("/privacy/noise", "\"" + std::string(noise) + "\"", experiment_json()), "test");
    const std::string here = std::string(noise) + "-cpu", there = std::string(noise) + "-device";
    const auto on_cpu = run(experiment, options(here, {})).record;
    const auto on_device = run(experiment, options(there, testing::stand_in_device())).record;
    EXPECT_EQ(on_device.rounds.back().epsilon, on_cpu.rounds.back().epsilon);
    const auto expected = model_of(here), actual = model_of(there);
    for (const auto& [name, value, buffer] : expected.tensors)
      EXPECT_TRUE(torch::allclose(actual.at(name), value, kRounding, kRounding)) << name;
    EXPECT_THAT(on_device.environment, ::testing::Contains(::testing::Pair("device", "stand_in")));
  }
}

TEST_F(RunOnADevice, IsNotResumedOnAnother) {
  const auto experiment = parse_experiment(experiment_json(), "test");
  auto cut = options("cut", testing::stand_in_device());
  cut.on_round = [](const RoundProgress&) { throw CutOff(); };
  EXPECT_THROW(run(experiment, cut), CutOff);
  cut = options("cut", {});
  cut.resume = true;
  EXPECT_THAT(test::error_of([&] { run(experiment, cut); }),
              HasSubstr("another device (stand_in, here cpu)"));
}

TEST_F(RunOnADevice, RefusesMasksThatCanBeGuessedUnderPrivacy) {
  Json json = experiment_json();
  json["model"]["layers"][2] = Json::object({{"kind", "dropout"}});
  const auto refusal = [&] {
    const auto experiment = parse_experiment(json, "test");
    return test::error_of([&] { run(experiment, options("dropout", testing::stand_in_device())); });
  };
  EXPECT_THAT(refusal(), StartsWith("test: /compute/device: the model draws random numbers"));
  json.erase("privacy");
  EXPECT_EQ(refusal(), "");
}

// A device whose kernels are wrong releases nothing: the probe comes before the run folder.
TEST_F(RunOnADevice, ABrokenDeviceStopsBeforeAnyRelease) {
  const testing::WrongConvolutions broken;
  const auto experiment = parse_experiment(experiment_json(), "test");
  const auto there = options("broken", testing::stand_in_device());
  EXPECT_THAT(test::error_of([&] { run(experiment, there); }),
              StartsWith("test: /model: module 0: the gradient of 0.weight differs"));
  EXPECT_FALSE(fs::exists(there.out));
}

}  // namespace
}  // namespace starling
