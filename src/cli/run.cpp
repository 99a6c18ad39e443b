#include <iostream>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "starling/core/log.h"
#include "starling/experiment/experiment.h"
#include "starling/experiment/run.h"

namespace starling::cli {
namespace {

cxxopts::Options options() {
  cxxopts::Options options("starling run",
                           "Carries out the experiment that a JSON file describes.");
  options.positional_help("EXPERIMENT.json");
  options.add_options()                                          //
      ("file", "the experiment", cxxopts::value<std::string>())  //
      ("set", "override one value: --set /json/pointer=value; may be repeated",
       cxxopts::value<std::vector<std::string>>(), "/POINTER=VALUE")  //
      ("out", "the run folder; default <output.folder>/<name>-<time>",
       cxxopts::value<std::string>()->default_value(""), "DIR")  //
      ("data", "where data sets lie; default STARLING_DATA, then datasets/",
       cxxopts::value<std::string>()->default_value(""), "DIR")  //
      ("threads", "clients trained side by side; default one a core. Results are the same",
       cxxopts::value<int64_t>()->default_value("0"), "N")  //
      ("key-file", "where the secret key is kept while the run lasts",
       cxxopts::value<std::string>()->default_value(""), "FILE")  //
      ("quiet", "print nothing but errors")                       //
      ("h,help", "this text");
  options.parse_positional({"file"});
  return options;
}

}  // namespace

int run_command(int argc, char** argv) {
  auto known = options();
  const auto given = parse(known, argc, argv);
  if (given.count("help") != 0) {
    std::cout << known.help();
    return 0;
  }
  if (given.count("file") == 0) throw InputError("starling run needs an experiment file");
  const auto file = given["file"].as<std::string>();
  const Experiment experiment = load_experiment(file, overrides_of(given));

  Progress progress(std::cout, given.count("quiet") != 0);
  RunOptions run_options;
  run_options.source = file;
  run_options.out = given["out"].as<std::string>();
  run_options.data_folder = given["data"].as<std::string>();
  run_options.key_file = given["key-file"].as<std::string>();
  run_options.workers = given["threads"].as<int64_t>();
  if (run_options.workers < 0) throw InputError("--threads", "is below 0");
  run_options.on_start = [&](const RunRecord& record, const std::string& folder) {
    progress.start(record, folder);
  };
  run_options.on_round = [&](const RoundProgress& round) { progress.round(round); };
  progress.finish(run(experiment, run_options));
  return 0;
}

}  // namespace starling::cli
