#include <filesystem>
#include <iostream>

#include "cli/commands.h"
#include "cli/options.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/report/comparison.h"
#include "starling/report/report.h"

namespace starling::cli {
namespace {

std::string page_beside(const std::string& run) {
  const std::filesystem::path path(run);
  const auto folder = std::filesystem::is_directory(path) ? path : path.parent_path();
  return (folder / "report.html").string();
}

// Each under the name of its folder.
std::string comparison_of(const std::vector<std::string>& runs) {
  std::vector<NamedRun> named;
  for (const auto& run : runs) {
    const auto page = std::filesystem::absolute(page_beside(run)).lexically_normal();
    named.push_back({page.parent_path().filename().string(), read_record(run)});
  }
  return comparison_text(named);
}

}  // namespace

int report_command(int argc, char** argv) {
  cxxopts::Options options(
      "starling report",
      "Prints the report of each run, a run folder or its run.json, and rewrites its "
      "report.html.\n"
      "  starling report runs/*\n"
      "  starling report --compare runs/*\n");
  options.custom_help("[flags]").positional_help("RUN...").set_width(kHelpColumns);
  options.add_options()("run", "run folder, or its run.json",
                        cxxopts::value<std::vector<std::string>>())(
      "compare", "print the runs side by side instead, and in what they differ")("h,help",
                                                                                 "this text");
  options.parse_positional({"run"});
  const auto given = parse(options, argc, argv);
  if (given.count("help")) {
    std::cout << options.help();
    return 0;
  }
  if (!given.count("run"))
    throw InputError("starling report", "no run is named; give one or more run folders");
  const auto& runs = given["run"].as<std::vector<std::string>>();
  if (given.count("compare")) {
    if (runs.size() < 2) throw InputError("--compare", "needs two runs or more");
    std::cout << comparison_of(runs);
    return 0;
  }
  bool first = true;
  for (const auto& run : runs) {
    const RunRecord record = read_record(run);
    const std::string page = page_beside(run);
    write_file_atomically(page, report_html(record));
    std::cout << (first ? "" : "\n") << report_text(record) << "\nReport: " << page << "\n";
    first = false;
  }
  return 0;
}

}  // namespace starling::cli
