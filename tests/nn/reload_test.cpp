// What Starling writes, Python reads: model.safetensors and the model's JSON give the same logits
// in PyTorch. The Python half is reload_test.py.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "nn/model_files.h"
#include "starling/nn/state.h"

namespace starling {
namespace {

constexpr const char* kHasPackages =
    "python3 -c 'import numpy, safetensors.torch, torch' > /dev/null 2>&1";

// Every parameter is moved, so that constants (a norm's ones and zeros) are not left as both
// sides initialise them.
void write_case(const ModelCase& model_case, const std::string& folder) {
  torch::manual_seed(17);
  auto model = shipped_model(model_case)();
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) parameter.add_(torch::randn_like(parameter), 0.05);
  model->eval();
  const auto input = example_batch(model_case, 8);
  const std::string stem = folder + "/" + model_case.name;
  save_state(state_of(*model), stem + ".safetensors");
  save_state({{{"input", input, false}, {"logits", model->forward(input), false}}},
             stem + ".io.safetensors");
}

// Python wrote back what it had loaded; strict reading and naming hold for its files too.
void check_python_file(const ModelCase& model_case, const std::string& folder) {
  const std::string stem = folder + "/" + model_case.name;
  torch::manual_seed(18);
  auto model = shipped_model(model_case)();
  load_initial(*model, stem + ".python.safetensors");
  EXPECT_EQ(to_safetensors(state_of(*model)),
            to_safetensors(load_state_file(stem + ".safetensors")))
      << model_case.name;
}

TEST(Reload, PyTorchGivesTheSameLogitsToOneInAHundredThousand) {
  if (std::system(kHasPackages) != 0)
    GTEST_SKIP() << "python3 has no torch, numpy and safetensors here";
  const auto folder =
      std::filesystem::temp_directory_path() / ("starling_reload_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  for (const auto& model : kModels) write_case(model, folder.string());
  const std::string command = "python3 '" STARLING_SOURCE_DIR "/tests/nn/reload_test.py' '" +
                              folder.string() + "' '" STARLING_SOURCE_DIR "/models'";
  EXPECT_EQ(std::system(command.c_str()), 0);
  for (const auto& model : kModels) check_python_file(model, folder.string());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace starling
