#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "data/idx_files.h"
#include "experiment/documents.h"
#include "fuzz/fuzz.h"
#include "starling/core/checkpoint.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"
#include "starling/core/safetensors.h"
#include "starling/data/catalogue.h"
#include "starling/data/csv.h"
#include "starling/data/gzip.h"
#include "starling/data/idx.h"
#include "starling/experiment/experiment.h"
#include "starling/privacy/event_json.h"
#include "starling/privacy/ledger.h"

namespace starling::fuzz {
namespace {

const std::vector<std::string> kJsonWords = {"{",
                                             "}",
                                             "[",
                                             "]",
                                             ",",
                                             ":",
                                             "\"",
                                             "null",
                                             "true",
                                             "NaN",
                                             "1e999",
                                             "1e-999",
                                             "-0",
                                             "-1",
                                             "0.5",
                                             "\\u0000",
                                             "\\ud800",
                                             "\xff",
                                             "\xC3\xA9",
                                             "{\"a\":",
                                             "[[[[[[[[",
                                             "\"\":1",
                                             "9223372036854775808"};

std::vector<std::string> with_words(std::vector<std::string> words) {
  words.insert(words.end(), kJsonWords.begin(), kJsonWords.end());
  return words;
}

Target json_target() {
  return {
      "json",
      {R"({"a": [1, 2.5, "x", null, true], "b": {"c": -7}})", "[[[1]], {}, \"\\u00e9\"]", "1e10"},
      kJsonWords,
      [](std::string_view bytes) {
        const Json value = parse_json(bytes, "x");
        const std::string text = value.dump();
        require(parse_json(text, "x").dump() == text, "the written form reads differently");
      },
      {}};
}

std::string with_length(const std::string& header) {
  std::string file;
  for (uint64_t length = header.size(), i = 0; i < 8; ++i, length >>= 8)
    file += static_cast<char>(length & 0xFF);
  return file + header;
}

// States the header's length anew: it ends with the last brace before the data.
std::string repair_safetensors(std::string file) {
  if (file.size() < 8) return file;
  const size_t end = file.rfind('}');
  if (end == std::string::npos || end < 8) return file;
  return with_length(file.substr(8, end - 7)) + file.substr(end + 1);
}

Target safetensors_target() {
  const std::string eight("\0\0\x80\x3f\0\0\0\x40", 8), three("\x01\0\x01", 3);
  const std::vector<RawTensor> tensors{{"mask", DataType::boolean, {3}, three},
                                       {"0.weight", DataType::float32, {1, 2}, eight},
                                       {"steps", DataType::int64, {}, eight}};
  return {
      "safetensors",
      {format_safetensors(tensors, {{"format", "pt"}}), format_safetensors({})},
      with_words({"F32", "I64", "BOOL", "U8", "data_offsets", "dtype", "shape", "__metadata__"}),
      [](std::string_view bytes) {
        const auto file = parse_safetensors(bytes, "x");
        for (const auto& tensor : file.tensors)
          require(tensor.bytes.size() <= bytes.size(), "a tensor is larger than its file");
        const auto again = format_safetensors(file.tensors, file.metadata);
        require(parse_safetensors(again, "x").tensors.size() == file.tensors.size(),
                "the written form reads differently");
      },
      repair_safetensors};
}

void check_idx(const IdxFile& idx) {
  const int64_t width = idx.type == IdxType::uint8 ? 1 : 4;
  require(static_cast<int64_t>(idx.bytes.size()) == width * idx.size(), "sizes differ");
  require(idx.at(0) == idx.at(0) && idx.at(idx.size() - 1) >= INT32_MIN, "values are out of reach");
}

Target idx_target() {
  return {"idx",
          {testing_files::idx_images(10), testing_files::idx_labels(10),
           testing_files::idx_header(12, {2, 2}) + std::string(16, 'x')},
          {std::string("\0\0\x08\x03", 4), std::string("\0\0\x0c\x01", 4), "\x1f\x8b\x08"},
          [](std::string_view bytes) { check_idx(parse_idx(std::string(bytes), "x")); },
          {}};
}

// Changes are made to the packed bytes, or before packing.
Target gzip_target() {
  const std::string images = testing_files::idx_images(40);
  return {"gzip",
          {testing_files::gzip(images),
           testing_files::gzip(images.substr(0, 30)) + testing_files::gzip(images.substr(30))},
          {"\x1f\x8b\x08", std::string(4, '\0'), std::string(4, '\xff')},
          [](std::string_view bytes) {
            DataFile file("x.gz", std::string(bytes));
            std::vector<uint8_t> piece(1000);
            size_t all = 0;
            for (size_t got; (got = file.read(piece)) > 0;) all += got;
            require(all <= 1032 * (bytes.size() + 64), "more was unpacked than fits");
          },
          {}};
}

Target packed_idx_target() {
  Target target = idx_target();
  target.name = "idx in gzip";
  target.repair = [](const std::string& bytes) { return testing_files::gzip(bytes); };
  target.read = [](std::string_view bytes) { check_idx(parse_idx(std::string(bytes), "x")); };
  return target;
}

// Written with every cell in quotes, a table reads as it did.
Target csv_target() {
  return {
      "csv",
      {"a,b,c\n1,2.5,-3e-2\n\n4,5,\"x, \"\"y\"\"\"\n", "\xEF\xBB\xBF 1 , 2\r\n# no record\r\n3,4"},
      {",", "\"", "\"\"", "\n", "\r\n", "nan", "inf", "1e400", "0x10", "1,5", " ", "\t", "#",
       "\xEF\xBB\xBF", std::string(1, '\0'), "\xff"},
      [](std::string_view bytes) {
        std::vector<std::string> cells;
        std::string again;
        CsvReader reader("x", std::string(bytes), {',', "#"});
        while (reader.next()) {
          for (const CsvCell& cell : reader.cells()) {
            cells.push_back(cell.text);
            std::string text;
            for (char c : cell.text) text += c == '"' ? "\"\"" : std::string(1, c);
            again += (&cell == reader.cells().data() ? "\"" : ",\"") + text + "\"";
          }
          again += "\n";
        }
        size_t at = 0;
        CsvReader second("x", again, {});
        while (second.next()) {
          for (const CsvCell& cell : second.cells())
            require(at < cells.size() && cell.text == cells[at++],
                    "the written form reads differently");
        }
        require(at == cells.size(), "the written form has other cells");
      },
      {}};
}

Target csv_number_target() {
  return {"csv number",
          {"5", "-0.25", ".5", "1e-3", "1.7976931348623157e308"},
          {"nan", "inf", "e400", "e-400", "0x", ",", "+", "-", ".", "_", "0"},
          [](std::string_view bytes) {
            CsvReader reader("x", std::string(bytes), {';', ""});
            while (reader.next()) {
              for (const CsvCell& cell : reader.cells())
                require(std::isfinite(reader.number(cell)), "a number is not finite");
            }
          },
          {}};
}

Target experiment_target() {
  std::vector<std::string> seeds;
  for (const char* privacy : {R"({"unit": "none"})", R"({"unit": "example", "epsilon": 3})"})
    seeds.push_back(to_json(parse_experiment(test::with("/privacy", privacy), "seed")).dump());
  return {"experiment file",
          seeds,
          with_words({"example", "client", "poisson", "adam", "\"kind\"", "dirichlet",
                      "noise_multiplier"}),
          [](std::string_view bytes) {
            const auto experiment = parse_experiment(parse_json(bytes, "x"), "x");
            require(parse_experiment(to_json(experiment), "x") == experiment,
                    "the resolved form reads differently");
          },
          {}};
}

// Descriptions are read from files.
void read_description(std::string_view bytes) {
  static const testing_files::TemporaryFolder folder;
  const auto info = read_dataset_info(folder.write("set.json", std::string(bytes)));
  for (const std::string& name :
       {info.train.images, info.train.labels, info.test.images, info.train.table}) {
    const std::filesystem::path path(name);
    require(!path.is_absolute(), "a path is absolute");
    require(path.lexically_normal().string().substr(0, 3) != "../", "a path climbs");
  }
}

Target description_target() {
  std::vector<std::string> seeds;
  for (const char* name : {"mnist", "cifar-10", "emnist-letters", "breast-cancer"})
    seeds.push_back(read_file(std::string(STARLING_SOURCE_DIR) + "/datasets/" + name + ".json"));
  return {"dataset description",
          seeds,
          with_words({"../", "/etc", "tar.gz", "\"archive\""}),
          read_description,
          {}};
}

Target events_target() {
  return {"events",
          {R"({"relation": "add_remove", "events": [{"mechanism": "gaussian",
               "noise_multiplier": 1.0, "sampling": {"kind": "poisson", "rate": 0.01},
               "count": 100}]})",
           R"([{"mechanism": "tree", "noise_multiplier": 3, "leaves": 8, "restarts": 1,
               "max_participations": 2, "min_separation": 4}, {"mechanism": "laplace",
               "scale": 2, "count": 3}, {"mechanism": "none"},
               {"mechanism": "randomized_response", "probability": 0.9, "categories": 3}])",
           R"([{"mechanism": "select_and_repeat", "event": {"mechanism": "gaussian",
               "noise_multiplier": 2.0}, "distribution": "poisson", "parameters": [3.0]}])"},
          with_words({"gaussian", "discrete_gaussian", "without_replacement", "\"inf\"",
                      "select_and_repeat"}),
          [](std::string_view bytes) {
            const auto events = composition_from_json(parse_json(bytes, "x"), "x");
            const auto again = composition_from_json(to_json(events), "x");
            require(to_json(again).dump() == to_json(events).dump(),
                    "the written form reads differently");
          },
          {}};
}

// Chains and hashes the lines anew, so that only what they say is judged.
std::string repair_ledger(std::string text) {
  std::string result, previous(64, '0');
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t link = line.rfind(",\"previous\":\"");
    if (link == std::string::npos) {
      result += line + "\n";
      continue;
    }
    line = line.substr(0, link) + ",\"previous\":\"" + previous + "\"";
    previous = sha256_hex(line + "}");
    result += line + ",\"hash\":\"" + previous + "\"}\n";
  }
  return result;
}

Target ledger_target() {
  PrivacyLedger ledger;
  for (int64_t i = 0; i < 3; ++i)
    ledger.record({.run = "r",
                   .config = "c",
                   .client = i,
                   .round = i,
                   .event = Event{GaussianMechanism{1.1}, PoissonSampling{0.01}, 1},
                   .count = 7,
                   .stream = "noise"});
  std::string text;
  for (const auto& line : ledger.lines()) text += to_text(line);
  return {"ledger",
          {text, ""},
          with_words({"\"client\"", "\"example\"", "\n", "\"count\":", "replace_one"}),
          [](std::string_view bytes) {
            const auto read = PrivacyLedger::parse(bytes, "x");
            std::string again;
            for (const auto& line : read.lines()) again += to_text(line);
            require(PrivacyLedger::parse(again, "x", read.head()).head() == read.head(),
                    "the written form reads differently");
          },
          repair_ledger};
}

std::string repair_checkpoint(std::string bytes) {
  bytes.resize(bytes.size() - std::min<size_t>(bytes.size(), 32));
  const Sha256 hash = sha256(bytes);
  return bytes + std::string(reinterpret_cast<const char*>(hash.data()), hash.size());
}

Target checkpoint_target() {
  return {"checkpoint",
          {format_checkpoint({"r", "c", 3, {{"model", std::string(50, 'm')}, {"record", "{}"}}}),
           format_checkpoint({"r", "c", 0, {}})},
          with_words({"starling checkpoint ", "\n", "\"bytes\":", "\"name\""}),
          [](std::string_view bytes) {
            const auto read = parse_checkpoint(bytes, "x");
            size_t all = 0;
            for (const auto& [name, section] : read.sections) all += section.size();
            require(all < bytes.size(), "sections are larger than their file");
            require(parse_checkpoint(format_checkpoint(read), "x").sections == read.sections,
                    "the written form reads differently");
          },
          repair_checkpoint};
}

}  // namespace

std::vector<Target> targets() {
  return {checkpoint_target(), json_target(),        safetensors_target(), idx_target(),
          packed_idx_target(), gzip_target(),        csv_target(),         csv_number_target(),
          experiment_target(), description_target(), events_target(),      ledger_target()};
}

}  // namespace starling::fuzz
