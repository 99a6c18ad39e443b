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

std::string needed(const DatasetInfo& info, const std::string& file, const LoadOptions& options) {
  const auto folders = data_folders(info, options.folder);
  if (auto path = locate(file, folders)) return *path;
  std::string places;
  for (const std::string& folder : folders) places += (places.empty() ? "" : ", ") + folder;
  const std::string remedy =
      info.files.empty() ? "put it there" : "run \"starling data fetch " + info.name + "\"";
  throw InputError("dataset " + info.name,
                   file + " is not in " + (places.empty() ? "any data folder" : places) + "; " +
                       remedy + ", or name its folder by --data or STARLING_DATA");
}

void check(const PixelSet& set, const DatasetInfo& info, const SplitFiles& files) {
  if (set.shape != info.shape) {
    throw InputError(set.name, "images are not of the described shape");
  }
  if (files.examples != 0 && set.size() != files.examples) {
    throw InputError(set.name, "has " + std::to_string(set.size()) +
                                   " examples; the description says " +
                                   std::to_string(files.examples));
  }
}

PixelSet load_split(const DatasetInfo& info, const SplitFiles& files, const std::string& name,
                    const LoadOptions& options) {
  PixelSet set;
  if (info.format == DatasetFormat::cifar10) {
    std::vector<std::string> paths;
    for (const auto& record : files.records) paths.push_back(needed(info, record, options));
    set = read_cifar10(paths, name);
  } else {
    const std::string images = needed(info, files.images, options);
    const std::string labels = needed(info, files.labels, options);
    set = read_idx_images(images, labels, name, {info.classes, info.first_label, info.transposed});
  }
  check(set, info, files);
  if (!options.writers) return set;
  if (files.writers.empty()) {
    throw InputError("dataset " + info.name,
                     "does not record who made each example; partition kind \"natural\" needs "
                     "mnist or digits");
  }
  set.owners = read_qmnist_writers(needed(info, files.writers, options), set.labels);
  return set;
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

PixelSplit load_pixels(const DatasetInfo& info, const LoadOptions& options) {
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
  const DatasetInfo info = find_dataset(name_or_file);
  if (options.mean.has_value() != options.std.has_value()) {
    throw InputError("dataset " + info.name, "give both mean and std, or neither");
  }
  Normalization normalization = info.normalization;
  if (options.mean) normalization = {*options.mean, *options.std};
  const PixelSplit split = load_pixels(info, options);
  return {to_dataset(split.train, normalization), to_dataset(split.test, normalization)};
}

}  // namespace starling
