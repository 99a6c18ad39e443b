// The cost of one DP-SGD step over one plain step of the same torch::nn model and
// torch::optim::SGD.
//
//   bench_step_cost [--threads N] [--slices N] [--json] [--profile plain|private] [model:batch ...]
//
// Plain and private slices alternate in one process. With one thread the time is the process's CPU
// time, otherwise the wall's. Peak memory is that of three steps in a process of their own, above
// what the model and the program's files take.

#include <sys/mman.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "starling/core/random.h"
#include "starling/nn/memory.h"
#include "starling/privacy/ledger.h"
#include "starling/privacy/plan.h"
#include "starling/train/dp_optimizer.h"
#include "step_cost_models.h"

namespace starling::bench {
namespace {

constexpr double kLearningRate = 1e-3;
constexpr double kSliceSeconds = 0.06;
constexpr double kProfileSeconds = 6;

struct Options {
  int threads = 1;
  int slices = 15;
  bool json = false;
  std::string memory;   // "plain" or "private": print the peak of that step and leave
  std::string profile;  // "plain" or "private": run that step for a profiler and leave
  std::vector<std::string> workloads;
};

DpSgdPlan plan_of(int64_t batch) {
  DpSgdPlan plan;
  plan.sample_rate = 0.01;
  plan.expected_batch = static_cast<double>(batch);
  plan.clip_norm = 1.0;
  plan.noise_multiplier = 1.0;
  return plan;
}

class PlainStep {
 public:
  explicit PlainStep(const Workload& workload)
      : workload_(workload), optimizer_(workload.module->parameters(), kLearningRate) {}
  void operator()() {
    optimizer_.zero_grad();
    torch::nn::functional::cross_entropy(workload_.forward(workload_.inputs), workload_.labels)
        .backward();
    optimizer_.step();
  }

 private:
  const Workload& workload_;
  torch::optim::SGD optimizer_;
};

class PrivateStep {
 public:
  explicit PrivateStep(const Workload& workload)
      : workload_(workload),
        inner_(workload.module->parameters(), kLearningRate),
        private_(*workload.module, inner_, plan_of(workload.batch), ledger_,
                 RandomKey::from_system()) {}
  void operator()() {
    namespace F = torch::nn::functional;
    const auto each = F::CrossEntropyFuncOptions().reduction(torch::kNone);
    private_.backward(
        F::cross_entropy(workload_.forward(workload_.inputs), workload_.labels, each));
    private_.step();
  }

 private:
  const Workload& workload_;
  torch::optim::SGD inner_;
  PrivacyLedger ledger_;
  DpOptimizer private_;
};

double now(int threads) {
  if (threads > 1) {
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(time).count();
  }
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class Step>
double seconds(Step& step, int repetitions, int threads) {
  const double start = now(threads);
  for (int i = 0; i < repetitions; ++i) step();
  return (now(threads) - start) / repetitions;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

struct Result {
  double plain_median, plain_min, private_median, private_min, ratio_median;
  double ratio_min() const { return private_min / plain_min; }
};

Result measure(const Workload& workload, const Options& options) {
  PlainStep plain(workload);
  PrivateStep dp(workload);
  for (int i = 0; i < 3; ++i) {
    plain();
    dp();
  }
  const int repetitions =
      std::max(1, static_cast<int>(kSliceSeconds / seconds(plain, 2, options.threads)));
  std::vector<double> plains, privates, ratios;
  for (int slice = 0; slice < options.slices; ++slice) {
    plains.push_back(seconds(plain, repetitions, options.threads));
    privates.push_back(seconds(dp, repetitions, options.threads));
    ratios.push_back(privates.back() / plains.back());
  }
  return {median(plains), *std::min_element(plains.begin(), plains.end()), median(privates),
          *std::min_element(privates.begin(), privates.end()), median(ratios)};
}

double status_megabytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field, 0) == 0) return std::stod(line.substr(field.size() + 1)) / 1024;
  }
  return 0;
}

// Reads all files in that are mapped: pages of the libraries' code are no memory of a step,
// whichever step is the first to run it.
void populate_mapped_files() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    const bool is_file = line.find(" /") != std::string::npos;
    if (!is_file || std::sscanf(line.c_str(), "%lx-%lx r", &begin, &end) != 2) continue;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
  }
}

template <class Step>
double peak_megabytes(const Workload& workload) {
  Step step(workload);
  populate_mapped_files();
  const double before = status_megabytes("VmRSS");
  std::ofstream("/proc/self/clear_refs") << 5;  // forget the peak so far
  for (int i = 0; i < 3; ++i) step();
  return status_megabytes("VmHWM") - before;
}

template <class Step>
void run_for_profiler(const Workload& workload) {
  Step step(workload);
  const double end = now(1) + kProfileSeconds;
  while (now(1) < end) step();
}

double peak_in_child(const std::string& program, const std::string& workload,
                     const std::string& kind, int threads) {
  const auto command =
      program + " --memory " + kind + " --threads " + std::to_string(threads) + " " + workload;
  std::array<char, 64> text{};
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return 0;
  const bool read = std::fgets(text.data(), text.size(), pipe) != nullptr;
  pclose(pipe);
  return read ? std::stod(text.data()) : 0;
}

Workload parse_workload(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) throw std::invalid_argument(text + ": expected model:batch");
  return make_workload(text.substr(0, colon), std::stoll(text.substr(colon + 1)));
}

void print(const std::string& name, const Result& result, double plain_peak, double private_peak,
           const Options& options) {
  if (options.json) {
    std::printf(
        "{\"workload\": \"%s\", \"threads\": %d, \"plain_ms\": %.4f, \"private_ms\": %.4f, "
        "\"ratio_median\": %.4f, \"ratio_min\": %.4f, \"plain_peak_mb\": %.1f, "
        "\"private_peak_mb\": %.1f}\n",
        name.c_str(), options.threads, result.plain_median * 1e3, result.private_median * 1e3,
        result.ratio_median, result.ratio_min(), plain_peak, private_peak);
  } else {
    std::printf(
        "%-18s plain %9.3f ms  private %9.3f ms  ratio %.3f (of minima %.3f)  peak %.0f / "
        "%.0f MB\n",
        name.c_str(), result.plain_median * 1e3, result.private_median * 1e3, result.ratio_median,
        result.ratio_min(), private_peak, plain_peak);
  }
  std::fflush(stdout);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--json") {
      options.json = true;
    } else if (flag.rfind("--", 0) == 0 && i + 1 < argc) {
      const std::string value = argv[++i];
      if (flag == "--threads") options.threads = std::stoi(value);
      if (flag == "--slices") options.slices = std::stoi(value);
      if (flag == "--memory") options.memory = value;
      if (flag == "--profile") options.profile = value;
    } else {
      options.workloads.push_back(flag);
    }
  }
  if (options.workloads.empty()) {
    options.workloads = {"mlp:64",          "mlp:256",          "mlp:1024",
                         "cnn_tutorial:64", "cnn_tutorial:256", "cnn_tutorial:1024",
                         "cnn_mcmahan:64",  "cnn_mcmahan:256",  "resnet_gn:64",
                         "lstm:64",         "transformer:32"};
  }
  return options;
}

void run(const Options& options, const std::string& program) {
  torch::set_num_threads(options.threads);
  for (const auto& name : options.workloads) {
    const auto workload = parse_workload(name);
    if (!options.profile.empty()) {
      options.profile == "plain" ? run_for_profiler<PlainStep>(workload)
                                 : run_for_profiler<PrivateStep>(workload);
      continue;
    }
    if (!options.memory.empty()) {
      std::printf("%.3f\n", options.memory == "plain" ? peak_megabytes<PlainStep>(workload)
                                                      : peak_megabytes<PrivateStep>(workload));
      continue;
    }
    const auto result = measure(workload, options);
    print(name, result, peak_in_child(program, name, "plain", options.threads),
          peak_in_child(program, name, "private", options.threads), options);
  }
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
  starling::reuse_memory();  // as the program does
  try {
    starling::bench::run(starling::bench::parse(argc, argv), argv[0]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
