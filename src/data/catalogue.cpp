#include "starling/data/catalogue.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "starling/core/error.h"
#include "starling/core/json.h"
#include "starling/data/digits.h"
#include "starling/data/idx.h"

namespace starling {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

void check_count(const std::string& name, int64_t size, const SplitFiles& files) {
  if (files.examples == 0 || size == files.examples) return;
  throw InputError(name, "has " + std::to_string(size) + " examples; the description says " +
                             std::to_string(files.examples));
}

void check(const PixelSet& set, const DatasetInfo& info, const SplitFiles& files) {
  if (set.shape != info.shape) {
    throw InputError(set.name, "images are not of the described shape");
  }
  check_count(set.name, set.size(), files);
}

[[noreturn]] void refuse_writers(const DatasetInfo& info) {
  throw InputError("dataset " + info.name,
                   "does not record who made each example; partition kind \"natural\" needs "
                   "mnist, digits or phrases, or the column of a table");
}

// A number would make a client of every value, and the outcome is what is to be learned.
void check_owners(const DatasetInfo& info, const std::string& owners) {
  if (owners.empty()) return;
  if (info.format != DatasetFormat::csv) {
    if (info.format == DatasetFormat::linear) refuse_writers(info);
    if (owners != "writer")
      throw InputError("dataset " + info.name, "does not record the \"" + owners +
                                                   "\" that partition/by asks for; allowed is "
                                                   "\"writer\"");
    return;
  }
  std::vector<std::string> names;
  for (const TableColumn& column : info.table.columns) {
    if (column.kind != ColumnKind::category && column.kind != ColumnKind::ignore) continue;
    if (column.name == owners) return;
    names.push_back(column.name);
  }
  throw InputError("dataset " + info.name, "has no column \"" + owners +
                                               "\" of kind category or ignore, which partition/by "
                                               "asks for" +
                                               did_you_mean(owners, names));
}

PixelSet load_split(const DatasetInfo& info, const SplitFiles& files, const std::string& name,
                    const LoadOptions& options) {
  PixelSet set;
  if (info.format == DatasetFormat::cifar10) {
    std::vector<std::string> paths;
    for (const auto& record : files.records)
      paths.push_back(require_file(info, record, options.folder));
    set = read_cifar10(paths, name);
  } else {
    const std::string images = require_file(info, files.images, options.folder);
    const std::string labels = require_file(info, files.labels, options.folder);
    set = read_idx_images(images, labels, name, {info.classes, info.first_label, info.transposed});
  }
  check(set, info, files);
  if (options.owners.empty()) return set;
  if (files.writers.empty()) refuse_writers(info);
  set.owners = read_qmnist_writers(require_file(info, files.writers, options.folder), set.labels);
  return set;
}

Dataset load_table(const DatasetInfo& info, TablePart part, const LoadOptions& options) {
  const bool is_train = part == TablePart::train;
  const SplitFiles& files = is_train ? info.train : info.test;
  const auto limit = is_train ? options.train_limit : options.test_limit;
  Dataset set =
      read_table(require_file(info, files.table, options.folder),
                 info.name + (is_train ? " train" : " test"), info.table,
                 info.table.test_every > 0 ? part : TablePart::all, is_train ? options.owners : "");
  check_count(set.name, set.size(), files);
  if (limit) keep_first(set, *limit);
  return set;
}

DataSplit load_tables(const DatasetInfo& info, const LoadOptions& options) {
  if (options.mean) {
    throw InputError("dataset " + info.name,
                     "is a table: mean and std stand in its description, one a column");
  }
  return {load_table(info, TablePart::train, options), load_table(info, TablePart::test, options)};
}

DataSplit draw(const DatasetInfo& info, const LoadOptions& options) {
  if (options.mean) {
    throw InputError("dataset " + info.name, "is drawn as it is; mean and std do not apply");
  }
  const int64_t train = options.train_limit.value_or(info.train.examples);
  const int64_t test = options.test_limit.value_or(info.test.examples);
  return info.format == DatasetFormat::linear
             ? draw_linear(info.law, train, test, options.seed)
             : draw_phrases(info.grammar, train, test, options.seed);
}

DatasetInfo digits_info() {
  DatasetInfo info;
  info.name = "digits";
  info.title = "Digits drawn by a program";
  info.licence = "none needed: drawn on the spot";
  info.format = DatasetFormat::digits;
  info.shape = {1, 28, 28};
  info.classes = 10;
  for (int64_t c = 0; c < info.classes; ++c) info.class_names.push_back(std::to_string(c));
  info.normalization = {{kDigitsMean}, {kDigitsStandardDeviation}};
  info.train.examples = kDigitsTrain;
  info.test.examples = kDigitsTest;
  return info;
}

}  // namespace

bool is_built_in(DatasetFormat format) {
  return format == DatasetFormat::digits || format == DatasetFormat::linear ||
         format == DatasetFormat::phrases;
}

bool has_images(DatasetFormat format) {
  return format == DatasetFormat::digits || format == DatasetFormat::idx ||
         format == DatasetFormat::cifar10;
}

std::string catalogue_folder() {
  const std::string home = environment("STARLING_HOME");
  if (!home.empty() && is_folder(fs::path(home) / "datasets")) return home + "/datasets";
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path installed = program.parent_path().parent_path() / "share/starling/datasets";
  if (is_folder(installed)) return installed.string();
  if (is_folder(STARLING_DATASETS_DIR)) return STARLING_DATASETS_DIR;
  throw Error(
      "the folder of data set descriptions is missing; set STARLING_HOME to the folder that "
      "holds datasets/");
}

std::vector<DatasetInfo> list_datasets() {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(catalogue_folder())) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<DatasetInfo> all;
  for (const std::string& path : paths) all.push_back(read_dataset_info(path));
  return all;
}

DatasetInfo find_dataset(const std::string& name_or_file) {
  if (name_or_file == "digits") return digits_info();
  if (name_or_file.ends_with(".json")) return read_dataset_info(name_or_file);
  std::vector<std::string> names;
  for (DatasetInfo& info : list_datasets()) {
    if (info.name == name_or_file) return info;
    names.push_back(info.name);
  }
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  throw InputError("dataset", "\"" + name_or_file + "\" is unknown" +
                                  did_you_mean(name_or_file, names) + "; there are " + known +
                                  ", or give the path of a description that ends in .json");
}

std::vector<std::string> data_folders(const DatasetInfo& info, const std::string& folder) {
  std::vector<std::string> folders;
  for (const std::string& place : {folder, environment("STARLING_DATA"), info.folder}) {
    const bool known = std::find(folders.begin(), folders.end(), place) != folders.end();
    if (!place.empty() && !known && is_folder(place)) folders.push_back(place);
  }
  return folders;
}

std::string fetch_folder(const std::string& folder) {
  if (!folder.empty()) return folder;
  const std::string data = environment("STARLING_DATA");
  return data.empty() ? catalogue_folder() : data;
}

std::optional<std::string> locate(const std::string& file,
                                  const std::vector<std::string>& folders) {
  const std::string plain = file.ends_with(".gz") ? file.substr(0, file.size() - 3) : file;
  for (const std::string& folder : folders) {
    for (const std::string& name : {file, plain, plain + ".gz"}) {
      const std::string path = (fs::path(folder) / name).string();
      if (is_file(path)) return path;
    }
  }
  return std::nullopt;
}

std::string require_file(const DatasetInfo& info, const std::string& file,
                         const std::string& folder) {
  const auto folders = data_folders(info, folder);
  if (auto path = locate(file, folders)) return *path;
  std::string places;
  for (const std::string& place : folders) places += (places.empty() ? "" : ", ") + place;
  const std::string remedy =
      info.files.empty() ? "put it there" : "run \"starling data fetch " + info.name + "\"";
  throw InputError("dataset " + info.name,
                   file + " is not in " + (places.empty() ? "any data folder" : places) + "; " +
                       remedy + ", or name its folder by --data or STARLING_DATA");
}

PixelSplit load_pixels(const DatasetInfo& info, const LoadOptions& options) {
  if (!has_images(info.format)) throw InputError("dataset " + info.name, "has no images");
  if (info.format == DatasetFormat::digits) {
    return draw_digits(options.train_limit.value_or(kDigitsTrain),
                       options.test_limit.value_or(kDigitsTest), options.seed);
  }
  PixelSplit split{load_split(info, info.train, info.name + " train", options),
                   load_split(info, info.test, info.name + " test", options)};
  if (options.train_limit) keep_first(split.train, *options.train_limit);
  if (options.test_limit) keep_first(split.test, *options.test_limit);
  return split;
}

DataSplit load_dataset(const std::string& name_or_file, const LoadOptions& options) {
  return load_dataset(find_dataset(name_or_file), options);
}

DataSplit load_dataset(const DatasetInfo& info, const LoadOptions& options) {
  if (options.mean.has_value() != options.std.has_value()) {
    throw InputError("dataset " + info.name, "give both mean and std, or neither");
  }
  check_owners(info, options.owners);
  if (info.format == DatasetFormat::csv) return load_tables(info, options);
  if (!has_images(info.format)) return draw(info, options);
  Normalization normalization = info.normalization;
  if (options.mean) normalization = {*options.mean, *options.std};
  const PixelSplit split = load_pixels(info, options);
  return {to_dataset(split.train, normalization), to_dataset(split.test, normalization)};
}

}  // namespace starling
