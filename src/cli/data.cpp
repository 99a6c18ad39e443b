#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "cli/commands.h"
#include "cli/data_show.h"
#include "cli/options.h"
#include "starling/core/json.h"
#include "starling/data/fetch.h"

namespace starling::cli {
namespace {

constexpr int64_t kUsualColumns = 80;
constexpr int64_t kSamples = 10, kRecords = 3;  // shown unless --count says otherwise
constexpr int64_t kSheetColumns = 16;
constexpr int64_t kSheetScale = 2;
constexpr int64_t kMegabyte = 1'000'000;

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
}

int64_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return kUsualColumns;
  return size.ws_col;
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text + "  ";
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (int64_t extent : shape) {
    if (!text.empty()) text += "x";
    text += std::to_string(extent);
  }
  return text;
}

std::string presence(const DatasetInfo& info, const std::string& folder) {
  if (is_built_in(info.format)) return "built in";
  const auto folders = data_folders(info, folder);
  size_t found = 0;
  std::string where;
  for (const RemoteFile& file : info.files) {
    const auto path = locate(file.file, folders);
    if (!path) continue;
    ++found;
    if (where.empty()) where = path->substr(0, path->rfind('/'));
  }
  if (found == 0) return "not here";
  if (found == info.files.size()) return where;
  return where + " (" + std::to_string(found) + " of " + std::to_string(info.files.size()) +
         " files)";
}

cxxopts::Options options_for(const std::string& word, const std::string& what,
                             const std::string& positional) {
  cxxopts::Options options("starling data " + word, what);
  options.custom_help("[flags]").positional_help(positional).set_width(kHelpColumns);
  options.add_options()("data",
                        "where data sets lie; looked into before STARLING_DATA and datasets/",
                        cxxopts::value<std::string>(), "DIR")("h,help", "this text");
  return options;
}

std::string name_of(const cxxopts::ParseResult& given, const std::string& word) {
  if (given.count("name")) return given["name"].as<std::string>();
  throw InputError("starling data " + word, "needs a name; starling data list shows them");
}

int list(int argc, char** argv) {
  auto options =
      options_for("list", "Lists the data sets Starling knows, and where they are.\n", "");
  const auto given = parse(options, argc, argv);
  if (given.count("help")) {
    std::cout << options.help();
    return 0;
  }
  std::cout << padded("NAME", 15) << padded("TRAIN", 7) << padded("TEST", 6) << padded("SHAPE", 7)
            << padded("CLASSES", 7) << "WHERE\n";
  for (const DatasetInfo& info : list_datasets()) {
    std::cout << padded(info.name, 15) << padded(std::to_string(info.train.examples), 7)
              << padded(std::to_string(info.test.examples), 6) << padded(shape_text(info.shape), 7)
              << padded(info.classes == 0 ? "-" : std::to_string(info.classes), 7)
              << presence(info, text_of(given, "data")) << "\n";
  }
  std::cout << "\nstarling data show NAME draws one, starling data fetch NAME gets it.\n";
  return 0;
}

template <class Set>
void describe(const DatasetInfo& info, const Set& set) {
  std::cout << info.title << "\n";
  if (!info.homepage.empty()) std::cout << info.homepage << "\n";
  std::cout << "Licence: " << info.licence << "\n";
  if (!info.note.empty()) std::cout << info.note << "\n";
  std::cout << "\n"
            << set.name << ": " << set.size() << " examples of " << shape_text(set.shape) << ", "
            << (info.classes == 0 ? "a number to predict"
                                  : std::to_string(info.classes) + " classes")
            << "\n";
  if (info.classes > 0) std::cout << class_counts(set.labels, info.class_names);
  std::cout << "\n";
}

std::vector<int64_t> first_of_each(const std::vector<std::vector<int64_t>>& samples, size_t count) {
  std::vector<int64_t> indices;
  for (size_t k = 0; indices.size() < count; ++k) {
    const size_t before = indices.size();
    for (const auto& own : samples) {
      if (k < own.size() && indices.size() < count) indices.push_back(own[k]);
    }
    if (indices.size() == before) break;
  }
  return indices;
}

void show_table(const DatasetInfo& info, const LoadOptions& load, bool is_train, int64_t count) {
  const DataSplit split = load_dataset(info, load);
  describe(info, is_train ? split.train : split.test);
  const std::string& file = is_train ? info.train.table : info.test.table;
  const TablePart part = info.table.test_every == 0 ? TablePart::all
                         : is_train                 ? TablePart::train
                                                    : TablePart::test;
  std::cout << column_table(
      info.table, first_records(require_file(info, file, load.folder), info.table, part, count));
}

void show_law(const DatasetInfo& info, const LoadOptions& load, bool is_train, int64_t count) {
  const DataSplit split = load_dataset(info, load);
  const Dataset& set = is_train ? split.train : split.test;
  describe(info, set);
  std::cout << law_text(info.law) << "\n" << numbers_table(set, count);
}

void show_phrases(const DatasetInfo& info, const LoadOptions& load, bool is_train, int64_t count) {
  const DataSplit split = load_dataset(info, load);
  const Dataset& set = is_train ? split.train : split.test;
  describe(info, set);
  std::cout << set.vocabulary << " words, 0 being the padding\n" << phrase_lines(info, set, count);
}

void show_images(const DatasetInfo& info, const LoadOptions& load, bool is_train, int64_t count,
                 const std::string& png) {
  const PixelSplit split = load_pixels(info, load);
  const PixelSet& set = is_train ? split.train : split.test;
  describe(info, set);
  const auto samples = samples_by_class(set, std::max(count, kSheetColumns));
  std::cout << draw_samples(set, first_of_each(samples, static_cast<size_t>(count)),
                            info.class_names, terminal_columns(), colour_wanted());
  if (png.empty()) return;
  write_png(png, contact_sheet(set, samples_by_class(set, kSheetColumns), kSheetScale));
  std::cout << "Contact sheet: " << png << "\n";
}

int show(int argc, char** argv) {
  auto options =
      options_for("show", "Describes a data set and draws some of its examples.\n", "NAME");
  options.add_options()("name", "data set, or a description that ends in .json",
                        cxxopts::value<std::string>())(
      "split", "train or test", cxxopts::value<std::string>()->default_value("train"), "SPLIT")(
      "count", "examples to show; 10 images or phrases, 3 records of a table",
      cxxopts::value<int64_t>(), "N")("seed", "of what is drawn on the spot",
                                      cxxopts::value<uint64_t>()->default_value("1"), "N")(
      "png", "also writes a contact sheet, one row a class", cxxopts::value<std::string>(), "FILE");
  options.parse_positional({"name"});
  const auto given = parse(options, argc, argv);
  if (given.count("help")) {
    std::cout << options.help();
    return 0;
  }
  const auto split_name = given["split"].as<std::string>();
  if (split_name != "train" && split_name != "test") {
    throw InputError("--split", split_name + " is not train or test");
  }
  const DatasetInfo info = find_dataset(name_of(given, "show"));
  const bool is_drawn = has_images(info.format) || info.format == DatasetFormat::phrases;
  const int64_t count =
      given.count("count") ? given["count"].as<int64_t>() : (is_drawn ? kSamples : kRecords);
  if (count < 0 || count > 1000) {
    throw InputError("--count", std::to_string(count) + " is outside 0..1000");
  }
  const std::string png = text_of(given, "png");
  if (!has_images(info.format) && !png.empty()) {
    throw InputError("--png", info.name + " has no images to draw");
  }
  LoadOptions load;
  load.folder = text_of(given, "data");
  load.seed = given["seed"].as<uint64_t>();
  const bool is_train = split_name == "train";
  if (has_images(info.format)) {
    show_images(info, load, is_train, count, png);
  } else if (info.format == DatasetFormat::phrases) {
    show_phrases(info, load, is_train, count);
  } else if (info.format == DatasetFormat::linear) {
    show_law(info, load, is_train, count);
  } else {
    show_table(info, load, is_train, count);
  }
  return 0;
}

// One live line a file on a terminal, nothing where stderr is piped.
FetchProgress progress_line() {
  if (!::isatty(STDERR_FILENO)) return {};
  return [last = int64_t{-1}](const std::string& file, int64_t done, int64_t total) mutable {
    const int64_t percent = total > 0 ? done * 100 / total : done / kMegabyte;
    if (percent == last) return;
    last = percent;
    std::cerr << "\r" << file << "  " << percent << (total > 0 ? " %" : " MB") << "   "
              << std::flush;
  };
}

int fetch(int argc, char** argv) {
  auto options = options_for(
      "fetch",
      "Downloads a data set into --data, else $STARLING_DATA, else the catalogue's folder.\n",
      "NAME");
  options.add_options()("name", "data set, or a description that ends in .json",
                        cxxopts::value<std::string>());
  options.parse_positional({"name"});
  const auto given = parse(options, argc, argv);
  if (given.count("help")) {
    std::cout << options.help();
    return 0;
  }
  const DatasetInfo info = find_dataset(name_of(given, "fetch"));
  if (is_built_in(info.format)) {
    std::cout << info.name << " is drawn on the spot; there is nothing to fetch\n";
    return 0;
  }
  std::cout << info.title << "\nLicence: " << info.licence << "\n" << std::flush;
  const auto fetched = fetch_dataset(info, fetch_folder(text_of(given, "data")), progress_line());
  if (::isatty(STDERR_FILENO)) std::cerr << "\r\x1b[K";
  for (const FetchedFile& file : fetched) {
    std::cout << (file.outcome == FetchOutcome::present    ? "present     "
                  : file.outcome == FetchOutcome::verified ? "verified    "
                                                           : "unverified  ")
              << file.path << "\n";
  }
  return 0;
}

void print_help(std::ostream& out) {
  out << "Data sets: what there is, what it looks like, where to get it.\n\n"
         "  starling data list           names, sizes and where the files are\n"
         "  starling data show NAME      class counts and samples; --png FILE for a contact sheet\n"
         "  starling data fetch NAME     download, with checksums\n"
         "  starling data partition EXPERIMENT|NAME\n"
         "                               labels of each client; --svg FILE and --html FILE draw "
         "them\n\n"
         "Each takes --data DIR and --help.\n";
}

}  // namespace

int data_command(int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  if (word == "list") return list(argc - 1, argv + 1);
  if (word == "show") return show(argc - 1, argv + 1);
  if (word == "fetch") return fetch(argc - 1, argv + 1);
  if (word == "partition") return data_partition(argc - 1, argv + 1);
  if (word == "--help" || word == "-h" || word == "help") {
    print_help(std::cout);
    return 0;
  }
  if (word.empty()) throw InputError("starling data", "say list, show, fetch or partition");
  throw InputError("starling data", "\"" + word + "\" is not list, show, fetch or partition" +
                                        did_you_mean(word, {"list", "show", "fetch", "partition"}));
}

}  // namespace starling::cli
