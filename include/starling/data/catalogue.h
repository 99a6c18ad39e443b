#pragma once
// The data sets Starling knows: one description in JSON each (files, sources, checksums, shape,
// public normalisation constants, licence), and how one is loaded.
//
// Descriptions are looked for in $STARLING_HOME/datasets, in ../share/starling/datasets beside an
// installed program, and in the source tree. Files of data are looked for in the folder that the
// caller names (--data), in $STARLING_DATA and in the folder of the descriptions, as
// <folder>/mnist/train-images-idx3-ubyte.gz, with or without the ".gz".

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "starling/data/dataset.h"
#include "starling/data/digits.h"
#include "starling/data/linear.h"
#include "starling/data/phrases.h"
#include "starling/data/pixels.h"
#include "starling/data/table.h"

namespace starling {

enum class DatasetFormat { digits, idx, cifar10, csv, linear, phrases };
enum class ArchiveKind { none, zip, tar_gz };

// Something to fetch. Paths are relative to a data folder and stay inside it.
struct RemoteFile {
  std::string file;               // "mnist/train-images-idx3-ubyte.gz"
  std::vector<std::string> urls;  // mirrors, tried in turn; none for a member of the archive
  std::string member;             // its name in the archive
  std::optional<int64_t> bytes;
  std::optional<std::string> sha256;  // absent: the download cannot be verified
};

struct SplitFiles {
  int64_t examples = 0;              // 0: not stated, hence not checked
  std::string images;                // idx
  std::string labels;                // idx
  std::string writers;               // idx, optional: QMNIST's label table
  std::vector<std::string> records;  // cifar10
  std::string table;                 // csv; the same file in both splits under test_every
};

struct DatasetInfo {
  std::string name, title, homepage, licence, note;
  DatasetFormat format = DatasetFormat::idx;
  std::vector<int64_t> shape;
  int64_t classes = 0;                   // 0: regression
  std::vector<std::string> class_names;  // one a class
  Normalization normalization;
  int64_t first_label = 0;
  bool transposed = false;
  LinearLaw law;          // linear
  PhraseGrammar grammar;  // phrases
  TableSchema table;      // csv; gives shape, classes and constants
  SplitFiles train, test;
  std::vector<RemoteFile> files;
  ArchiveKind archive_kind = ArchiveKind::none;
  RemoteFile archive;
  std::string folder;  // of the description
};

// Errors: InputError with file and JSON pointer.
DatasetInfo read_dataset_info(const std::string& path);

// A catalogue name, or the path of a description that ends in ".json". Errors: InputError with the
// names there are, or the nearest one.
DatasetInfo find_dataset(const std::string& name_or_file);
// All descriptions, by name. Errors: Error where no folder of descriptions is found.
std::vector<DatasetInfo> list_datasets();
std::string catalogue_folder();
// Drawn on the spot, from no file.
bool is_built_in(DatasetFormat format);
bool has_images(DatasetFormat format);

// Where data are looked for, in order; only folders that exist. The first place that `fetch` may
// write to is `folder`, else $STARLING_DATA, else the folder of the descriptions.
std::vector<std::string> data_folders(const DatasetInfo& info, const std::string& folder);
std::string fetch_folder(const std::string& folder);
// The path of `file` in the first folder that has it, plain or gzip; none where no folder has.
std::optional<std::string> locate(const std::string& file, const std::vector<std::string>& folders);
// The same; InputError, with the places and the remedy, where no folder has it.
std::string require_file(const DatasetInfo& info, const std::string& file,
                         const std::string& folder);

struct LoadOptions {
  std::string folder;  // --data; empty: not given
  // The first n examples; of what is drawn, how many.
  std::optional<int64_t> train_limit;
  std::optional<int64_t> test_limit;
  // Instead of the description's, of images: both or neither.
  std::optional<std::vector<double>> mean, std;
  uint64_t seed = 1;  // of what is drawn
  // Fills `owners` of the training set, for partition "natural": "writer", or the name of a column
  // of a table. Empty: nothing is asked for.
  std::string owners;
};

// Errors: InputError where a file is missing (it names the remedy), damaged or not as described, a
// limit exceeds the examples, owners are asked for that are not recorded, or mean and std of a
// table. `load_pixels` takes images only.
PixelSplit load_pixels(const DatasetInfo& info, const LoadOptions& options);
DataSplit load_dataset(const DatasetInfo& info, const LoadOptions& options = {});
DataSplit load_dataset(const std::string& name_or_file, const LoadOptions& options = {});

}  // namespace starling
