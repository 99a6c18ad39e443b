// Descriptions of data sets: JSON to DatasetInfo.

#include <algorithm>
#include <filesystem>

#include "data/phrases_json.h"
#include "data/table_json.h"
#include "starling/core/error.h"
#include "starling/core/json.h"
#include "starling/data/catalogue.h"

namespace starling {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostBytes = int64_t{1} << 40;
constexpr int64_t kMostExtent = 100'000;
constexpr int64_t kMostDrawn = 10'000'000;

// A path that stays below the folder it is joined to.
std::string inside(JsonObject& object, const std::string& key, const std::string& value) {
  const fs::path path(value);
  const bool climbs =
      std::any_of(path.begin(), path.end(), [](const auto& p) { return p == ".."; });
  if (value.empty() || value.size() > 255 || path.is_absolute() || climbs ||
      value.find('\0') != std::string::npos) {
    std::string problem = "is not a relative path inside a data folder: ";
    object.fail(key, problem.append(value, 0, 80));
  }
  return value;
}

std::string path_member(JsonObject& object, const std::string& key) {
  return inside(object, key, object.string(key));
}

RemoteFile parse_file(JsonObject object, bool in_archive) {
  RemoteFile file;
  file.file = path_member(object, "file");
  file.bytes = object.optional_integer("bytes", 1, kMostBytes);
  if (object.has("sha256")) {
    file.sha256 = object.string("sha256");
    if (file.sha256->size() != 64 ||
        file.sha256->find_first_not_of("0123456789abcdef") != std::string::npos) {
      object.fail("sha256", "is not 64 lower-case hexadecimal digits");
    }
  }
  if (in_archive) {
    file.member = object.string("member");
  } else {
    file.urls = object.strings("urls");
  }
  object.finish();
  return file;
}

SplitFiles parse_split(JsonObject object, DatasetFormat format) {
  SplitFiles split;
  const bool is_drawn = format == DatasetFormat::linear || format == DatasetFormat::phrases;
  split.examples = is_drawn ? object.integer("examples", 1, kMostDrawn)
                            : object.integer("examples", 1, kMostBytes, 0);
  if (format == DatasetFormat::idx) {
    split.images = path_member(object, "images");
    split.labels = path_member(object, "labels");
    if (object.has("writers")) split.writers = path_member(object, "writers");
  } else if (format == DatasetFormat::cifar10) {
    split.records = object.strings("records");
    for (const std::string& record : split.records) inside(object, "records", record);
    if (split.records.empty()) object.fail("records", "is empty; name at least one file");
  } else if (format == DatasetFormat::csv) {
    split.table = path_member(object, "table");
  }
  object.finish();
  return split;
}

void parse_sources(JsonObject& object, DatasetInfo& info) {
  if (object.has("archive")) {
    JsonObject archive = object.object("archive");
    info.archive_kind = archive.choice<ArchiveKind>(
        "kind", {{"zip", ArchiveKind::zip}, {"tar.gz", ArchiveKind::tar_gz}});
    info.archive = parse_file(archive, false);
  }
  if (!object.has("files")) return;
  for (JsonObject& file : object.objects("files")) {
    info.files.push_back(parse_file(file, info.archive_kind != ArchiveKind::none));
  }
}

void parse_meaning(JsonObject& object, DatasetInfo& info) {
  info.shape = object.integers("shape", 1, kMostExtent);
  if (info.shape.size() != 3) object.fail("shape", "needs channels, height and width");
  info.classes = object.integer("classes", 2, kMostExtent);
  if (object.has("class_names")) info.class_names = object.strings("class_names");
  if (info.class_names.empty()) {
    for (int64_t c = 0; c < info.classes; ++c) info.class_names.push_back(std::to_string(c));
  }
  if (static_cast<int64_t>(info.class_names.size()) != info.classes) {
    object.fail("class_names", "has " + std::to_string(info.class_names.size()) + " names for " +
                                   std::to_string(info.classes) + " classes");
  }
  info.normalization = {object.numbers("mean"), object.numbers("std", kPositive)};
  info.first_label = object.integer("first_label", 0, 255, 0);
  info.transposed = object.boolean("transposed", false);
}

void parse_law(JsonObject& object, DatasetInfo& info) {
  info.law.weights = object.numbers("weights");
  info.law.bias = object.number("bias", {}, 0.0);
  info.law.noise = object.number("noise", kNonNegative, 0.0);
  const auto features = static_cast<int64_t>(info.law.weights.size());
  if (features < 1 || features > kMostExtent)
    object.fail("weights", "needs 1 to " + std::to_string(kMostExtent) + " numbers");
  info.shape = {features};
}

void parse_grammar(JsonObject& object, DatasetInfo& info) {
  info.grammar = parse_phrase_grammar(object);
  info.shape = {info.grammar.length};
  for (const PhraseClass& one : info.grammar.classes) info.class_names.push_back(one.name);
  info.classes = std::ssize(info.class_names);
}

// A table says by its columns what images say by shape, classes and constants.
void parse_columns(JsonObject& object, DatasetInfo& info) {
  info.table = parse_table_schema(object.object("table"));
  info.shape = {info.table.features()};
  for (const TableClass& one : info.table.outcome().classes) info.class_names.push_back(one.name);
  info.classes = static_cast<int64_t>(info.class_names.size());
}

// Under test_every one file holds both splits; without it each has its own.
void check_tables(const JsonObject& object, const DatasetInfo& info) {
  const bool same = info.train.table == info.test.table;
  if (same && info.table.test_every == 0)
    object.fail("test", "is the table of train; give /table/test_every, or another file");
  if (!same && info.table.test_every > 0)
    object.fail("test", "is not the table of train, which /table/test_every divides");
}

}  // namespace

DatasetInfo read_dataset_info(const std::string& path) {
  const Json json = read_json(path);
  JsonObject object(json, path);
  DatasetInfo info;
  const std::string parent = fs::path(path).lexically_normal().parent_path().string();
  info.folder = parent.empty() ? "." : parent;
  info.name = object.string("name");
  info.title = object.string("title", info.name);
  info.homepage = object.string("homepage", "");
  info.licence = object.string("licence");
  info.note = object.string("note", "");
  info.format = object.choice<DatasetFormat>("format", {{"digits", DatasetFormat::digits},
                                                        {"idx", DatasetFormat::idx},
                                                        {"cifar10", DatasetFormat::cifar10},
                                                        {"csv", DatasetFormat::csv},
                                                        {"linear", DatasetFormat::linear},
                                                        {"phrases", DatasetFormat::phrases}});
  if (info.format == DatasetFormat::csv) {
    parse_columns(object, info);
  } else if (info.format == DatasetFormat::linear) {
    parse_law(object, info);
  } else if (info.format == DatasetFormat::phrases) {
    parse_grammar(object, info);
  } else {
    parse_meaning(object, info);
  }
  info.train = parse_split(object.object("train"), info.format);
  info.test = parse_split(object.object("test"), info.format);
  if (info.format == DatasetFormat::csv) check_tables(object, info);
  parse_sources(object, info);
  object.finish();
  return info;
}

}  // namespace starling
