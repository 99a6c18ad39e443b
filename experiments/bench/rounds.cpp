// Seconds a round of federated averaging, beside a plain LibTorch loop over the same batches.
//
//   bench_rounds [--workers N] [--rounds N] [--json] [--alone | --private]
//                [model:CLIENTSxEXAMPLES ...]
//   bench_rounds --start PROGRAM EXPERIMENT.json
//
// Rounds of Starling and of the plain loop alternate in one process. Every client takes part with
// one pass over its examples in batches of 10. Peak memory is that of two rounds in a process of
// their own. With --private, rounds of a server that clips and adds noise stand in the place of the
// plain loop's; both servers have the same clients and workers.

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <numeric>
#include <optional>

#include "rounds_plain.h"
#include "starling/core/json.h"
#include "starling/federated/simulation.h"
#include "starling/nn/memory.h"

namespace starling::bench {
namespace {

constexpr int64_t kBatch = 10;
constexpr int64_t kSharedExamples = 6000;
constexpr double kLearningRate = 0.02;
constexpr double kLargestDifference = 1e-3;  // of a parameter, after a round of either kind

struct Options {
  int workers = 2;
  int rounds = 9;
  bool json = false;
  bool alone = false;   // without the plain loop
  bool priv = false;    // client-level privacy beside none
  bool memory = false;  // print the peak of two rounds and leave
  std::vector<std::string> workloads;
  std::vector<std::string> start;  // program, experiment
};

struct Workload {
  std::string text, model;
  int64_t clients = 0, examples = 0;
};

Workload parse_workload(const std::string& text) {
  const auto colon = text.find(':'), times = text.find('x', colon);
  if (colon == std::string::npos || times == std::string::npos)
    throw std::invalid_argument(text + ": expected model:CLIENTSxEXAMPLES");
  return {text, text.substr(0, colon), std::stoll(text.substr(colon + 1)),
          std::stoll(text.substr(times + 1))};
}

// Clients hold slices of one set of examples, so that a million of them fit.
std::vector<Client> make_clients(const Workload& workload) {
  torch::manual_seed(1);
  const int64_t rows = std::max(kSharedExamples, workload.examples);
  const auto features = torch::randn({rows, 1, 28, 28});
  const auto labels = torch::randint(10, {rows});
  const int64_t slices = rows / workload.examples;
  std::vector<Examples> parts;
  for (int64_t i = 0; i < slices; ++i) {
    const int64_t first = i * workload.examples, last = first + workload.examples;
    parts.push_back({features.slice(0, first, last), labels.slice(0, first, last)});
  }
  std::vector<Client> clients;
  clients.reserve(workload.clients);
  for (int64_t id = 0; id < workload.clients; ++id) clients.emplace_back(id, parts[id % slices]);
  return clients;
}

ModelFactory factory_of(const std::string& name) {
  const std::string path = std::string(STARLING_MODELS_DIR) + "/" + name + ".json";
  return model_from_json(read_json(path), path, {1, 28, 28}, 10);
}

ClientTask task_of(const Workload& workload, int64_t round) {
  ClientTask task;
  task.round = round;
  task.local.steps = (workload.examples + kBatch - 1) / kBatch;
  task.local.batch_size = kBatch;
  task.local.optimizer = SgdSpec{.learning_rate = kLearningRate};
  task.key = RandomKey::from_seed(1);
  return task;
}

ServerOptions options_of(const Workload& workload) {
  ServerOptions options;
  options.population = workload.clients;
  options.total_weight = workload.clients * workload.examples;
  return options;
}

class StarlingRounds {
 public:
  StarlingRounds(const Workload& workload, int workers)
      : StarlingRounds(workload, workers, factory_of(workload.model)) {}

  void round(const ClientTask& task) { round(server_, task); }
  void round(Server& server, const ClientTask& task) {
    simulation_.round(
        server, task.round, participants_, [&](int64_t) { return task; }, task.key);
  }
  const StateDict& initial() const { return server_.global(); }
  const std::vector<Client>& clients() const { return simulation_.clients(); }
  std::vector<torch::Tensor> global() const {
    std::vector<torch::Tensor> values;
    for (const auto& tensor : server_.global().tensors) values.push_back(tensor.value);
    return values;
  }

 private:
  StarlingRounds(const Workload& workload, int workers, const ModelFactory& factory)
      : simulation_(factory, make_clients(workload), workers, 1),
        server_(state_of(*factory()), fedavg({}), options_of(workload)),
        participants_(workload.clients) {
    std::iota(participants_.begin(), participants_.end(), int64_t{0});
  }

  Simulation simulation_;
  Server server_;
  std::vector<int64_t> participants_;
};

// Client-level privacy on the same clients. The noise is small, so that both train on equal
// numbers.
class PrivateRounds {
 public:
  PrivateRounds(StarlingRounds& rounds, const Workload& workload)
      : rounds_(rounds), server_(rounds.initial(), fedavg({}), options_with_privacy(workload)) {}
  void round(const ClientTask& task) { rounds_.round(server_, task); }

 private:
  static ServerOptions options_with_privacy(const Workload& workload) {
    ServerOptions options = options_of(workload);
    RoundPlan plan;
    plan.clients = workload.clients;
    plan.clip_norm = 1e-4;
    plan.noise_multiplier = 1.0;
    options.privacy = plan;
    return options;
  }

  StarlingRounds& rounds_;
  Server server_;
};

double seconds_on(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Seconds a round: the wall's, and the processor's over all workers.
struct Times {
  std::vector<double> wall, cpu;

  template <class Rounds>
  void measure(Rounds& rounds, const ClientTask& task) {
    const double wall_start = seconds_on(CLOCK_MONOTONIC);
    const double cpu_start = seconds_on(CLOCK_PROCESS_CPUTIME_ID);
    rounds.round(task);
    wall.push_back(seconds_on(CLOCK_MONOTONIC) - wall_start);
    cpu.push_back(seconds_on(CLOCK_PROCESS_CPUTIME_ID) - cpu_start);
  }
};

double minimum(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void check_equal(const std::vector<torch::Tensor>& ours, const std::vector<torch::Tensor>& plain) {
  for (size_t i = 0; i < ours.size(); ++i) {
    const double difference = (ours[i] - plain[i]).abs().max().item<double>();
    if (!(difference <= kLargestDifference))
      throw std::runtime_error("after one round a parameter differs from the plain loop's by " +
                               std::to_string(difference));
  }
}

void print_times(const Options& options, const char* name, const Times& times) {
  std::printf(options.json ? "\"%s\": {\"median_s\": %.4f, \"min_s\": %.4f, \"cpu_median_s\": "
                             "%.4f, \"cpu_min_s\": %.4f}, "
                           : "  %-8s %8.4f s (minimum %.4f), processor %.4f s (minimum %.4f)\n",
              name, median(times.wall), minimum(times.wall), median(times.cpu), minimum(times.cpu));
}

// `other`: the plain loop's, or those with privacy.
void print(const Options& options, const Workload& workload, const Times& ours,
           const std::optional<Times>& other, double peak) {
  const Times& above = options.priv ? *other : ours;
  const Times& below = options.priv ? ours : other.value_or(ours);
  std::printf(options.json ? "{\"workload\": \"%s\", \"workers\": %d, " : "%s, %d workers\n",
              workload.text.c_str(), options.workers);
  print_times(options, "starling", ours);
  if (other) {
    print_times(options, options.priv ? "private" : "plain", *other);
    std::printf(options.json ? "\"ratio_median\": %.4f, \"ratio_min\": %.4f, "
                             : "  ratio of medians %.3f, of minima %.3f (%s)\n",
                median(above.wall) / median(below.wall), minimum(above.wall) / minimum(below.wall),
                options.priv ? "private over Starling" : "Starling over plain");
  }
  std::printf(options.json ? "\"peak_mb\": %.1f}\n" : "  peak memory %.0f MB\n", peak);
  std::fflush(stdout);
}

double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) / 1024;
  return 0;
}

double peak_in_child(const Options& options, const std::string& program,
                     const std::string& workload) {
  const auto command =
      program + " --memory --workers " + std::to_string(options.workers) + " " + workload;
  std::array<char, 64> text{};
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return 0;
  const bool read = std::fgets(text.data(), text.size(), pipe) != nullptr;
  pclose(pipe);
  return read ? std::stod(text.data()) : 0;
}

template <class Other>
void measure_beside(const Options& options, const Workload& workload, StarlingRounds& ours,
                    Other* other, const std::string& program) {
  Times our_times, other_times;
  for (int64_t round = 0; round <= options.rounds; ++round) {
    const auto task = task_of(workload, round);
    our_times.measure(ours, task);
    if (other != nullptr) other_times.measure(*other, task);
    if (round > 0) continue;
    if constexpr (std::is_same_v<Other, PlainRounds>)
      if (other != nullptr) check_equal(ours.global(), other->global());
    if (options.rounds > 0) our_times = other_times = {};  // the first round warms up
  }
  print(options, workload, our_times, other != nullptr ? std::optional(other_times) : std::nullopt,
        peak_in_child(options, program, workload.text));
}

void measure(const Options& options, const Workload& workload, const std::string& program) {
  StarlingRounds ours(workload, options.workers);
  if (options.priv) {
    PrivateRounds other(ours, workload);
    measure_beside(options, workload, ours, &other, program);
    return;
  }
  std::optional<PlainRounds> plain;
  if (!options.alone) plain.emplace(workload.model, ours.clients(), options.workers, ours.global());
  measure_beside(options, workload, ours, plain ? &*plain : nullptr, program);
}

void print_peak(const Options& options, const Workload& workload) {
  StarlingRounds ours(workload, options.workers);
  for (int64_t round = 0; round < 2; ++round) ours.round(task_of(workload, round));
  std::printf("%.3f\n", peak_megabytes());
}

// From the program's start to its end, with one round, evaluation and report.
void measure_start(const Options& options) {
  const std::string folder = std::string(P_tmpdir) + "/bench_rounds_start";
  const auto command = "rm -rf " + folder + " && " + options.start[0] + " run " + options.start[1] +
                       " --set /rounds=1 --quiet --out " + folder + " > /dev/null";
  std::vector<double> times;
  for (int i = 0; i < options.rounds; ++i) {
    const double start = seconds_on(CLOCK_MONOTONIC);
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
    times.push_back(seconds_on(CLOCK_MONOTONIC) - start);
  }
  std::printf(options.json ? "{\"start\": \"%s\", \"median_s\": %.4f, \"min_s\": %.4f}\n"
                           : "start to end of one round, %s: %.3f s (minimum %.3f)\n",
              options.start[1].c_str(), median(times), minimum(times));
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--json")
      options.json = true;
    else if (flag == "--alone")
      options.alone = true;
    else if (flag == "--private")
      options.priv = true;
    else if (flag == "--memory")
      options.memory = true;
    else if (flag == "--workers" && i + 1 < argc)
      options.workers = std::stoi(argv[++i]);
    else if (flag == "--rounds" && i + 1 < argc)
      options.rounds = std::stoi(argv[++i]);
    else if (flag == "--start" && i + 2 < argc) {
      options.start = {argv[i + 1], argv[i + 2]};
      i += 2;
    } else
      options.workloads.push_back(flag);
  }
  if (options.workloads.empty())
    options.workloads = {"mlp_2nn:10x600", "cnn_mcmahan:10x600", "mlp_2nn:1000x20",
                         "mlp_2nn:10000x20"};
  return options;
}

void run(const Options& options, const std::string& program) {
  if (!options.start.empty()) return measure_start(options);
  for (const auto& text : options.workloads) {
    if (options.memory)
      print_peak(options, parse_workload(text));
    else
      measure(options, parse_workload(text), program);
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
