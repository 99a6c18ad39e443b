#include <filesystem>
#include <iostream>

#include "cli/commands.h"
#include "cli/on_all_ranks.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "starling/core/interrupt.h"
#include "starling/core/log.h"
#include "starling/experiment/experiment.h"
#include "starling/experiment/run.h"

namespace starling::cli {
namespace {

cxxopts::Options options() {
  cxxopts::Options options("starling run",
                           "Carries out the experiment that a JSON file describes.\n"
                           "  starling run experiments/quickstart.json\n"
                           "  starling run experiments/quickstart.json --set /privacy/epsilon=2\n"
                           "  starling run --resume runs/quickstart-20260101-120000\n");
  options.custom_help("[flags]").positional_help("EXPERIMENT.json").set_width(kHelpColumns);
  options.add_options()                                          //
      ("file", "the experiment", cxxopts::value<std::string>())  //
      ("set", "replaces one value of the file; may be repeated",
       cxxopts::value<std::vector<std::string>>(), "/POINTER=VALUE")  //
      ("out", "the run folder; default <output.folder>/<name>-<time>",
       cxxopts::value<std::string>(), "DIR")  //
      ("resume", "go on with the interrupted run in DIR, whose experiment is the default",
       cxxopts::value<std::string>(), "DIR")  //
      ("data", "where data sets lie; looked into before STARLING_DATA and datasets/",
       cxxopts::value<std::string>(), "DIR")  //
      ("threads", "clients trained side by side; default one a core; results do not depend on it",
       cxxopts::value<int64_t>(), "N")  //
      ("key-file",
       "where the secret key is kept while the run lasts; default the user's state folder",
       cxxopts::value<std::string>(), "FILE")  //
      ("quiet", "print nothing but errors")    //
      ("h,help", "this text");
  options.parse_positional({"file"});
  return options;
}

std::string file_of(const cxxopts::ParseResult& given, const std::string& resumed) {
  if (!resumed.empty() && given.count("out") != 0)
    throw InputError("--out", "does not go with --resume, which writes the folder it names");
  if (given.count("file") != 0) return given["file"].as<std::string>();
  if (resumed.empty()) throw InputError("starling run needs an experiment file");
  const auto file = std::filesystem::path(resumed) / "experiment.json";
  if (!std::filesystem::is_regular_file(file))
    throw InputError("--resume " + resumed, "is not a run folder: it holds no experiment.json");
  return file.string();
}

RunOptions run_options_of(const cxxopts::ParseResult& given, const std::string& file) {
  RunOptions run_options;
  const auto folder = text_of(given, "resume");
  run_options.source = file;
  run_options.resume = !folder.empty();
  run_options.out = run_options.resume ? folder : text_of(given, "out");
  run_options.data_folder = text_of(given, "data");
  run_options.key_file = text_of(given, "key-file");
  if (given.count("threads") != 0) run_options.workers = given["threads"].as<int64_t>();
  if (run_options.workers < 0)
    throw InputError("--threads", std::to_string(run_options.workers) + " is below 0");
  return run_options;
}

int carry_out(const Experiment& experiment, RunOptions run_options, bool quiet, Ranks& ranks) {
  Progress progress(std::cout, quiet);
  run_options.ranks = &ranks;
  run_options.on_start = [&](const RunRecord& record, const std::string& folder) {
    progress.start(record, folder);
  };
  run_options.on_round = [&](const RoundProgress& round) { progress.round(round); };
  const InterruptGuard guard;
  const RunResult result = run(experiment, run_options);
  if (ranks.rank() == 0) progress.finish(result);
  return result.stopped_by ? exit_code_of(*result.stopped_by) : 0;
}

}  // namespace

int run_command(int argc, char** argv) {
  return on_all_ranks([&](Ranks& ranks) {
    auto known = options();
    const auto given = together(ranks, [&] { return parse(known, argc, argv); });
    if (given.count("help") != 0) {
      if (ranks.rank() == 0) std::cout << known.help();
      return 0;
    }
    auto [experiment, run_options] = together(ranks, [&] {
      const auto file = file_of(given, text_of(given, "resume"));
      auto loaded = load_experiment(file, overrides_of(given));
      return std::pair(std::move(loaded), run_options_of(given, file));
    });
    return carry_out(experiment, std::move(run_options), given.count("quiet") != 0, ranks);
  });
}

}  // namespace starling::cli
