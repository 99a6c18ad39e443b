#include "starling/core/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "core/folders.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"
#include "starling/core/json.h"
#include "starling/core/log.h"

namespace starling {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "starling checkpoint ";
constexpr std::string_view kPrefix = "round-";
constexpr std::string_view kSuffix = ".checkpoint";
constexpr size_t kDigest = 32;
constexpr unsigned kOwnerOnly = 0600;
constexpr size_t kLongestHeader = size_t{16} << 20;
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

std::string digest(std::string_view bytes) {
  const Sha256 hash = sha256(bytes);
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::string header_of(const Checkpoint& checkpoint) {
  Json sections = Json::array();
  for (const auto& [name, bytes] : checkpoint.sections)
    sections.push_back({{"name", name}, {"bytes", bytes.size()}});
  const Json header = {{"run", checkpoint.run},
                       {"config", checkpoint.config},
                       {"round", checkpoint.round},
                       {"sections", sections}};
  return header.dump();
}

// The text up to the next line feed, which is dropped.
std::string_view take_line(std::string_view& rest, const std::string& source) {
  const size_t end = rest.substr(0, kLongestHeader).find('\n');
  if (end == std::string_view::npos)
    throw DamagedCheckpoint(source, "is damaged: its header does not end");
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

std::string_view without_digest(std::string_view bytes, const std::string& source) {
  if (!bytes.starts_with(kMagic)) throw DamagedCheckpoint(source, "is damaged or no checkpoint");
  const auto content = bytes.substr(0, bytes.size() - std::min(bytes.size(), kDigest));
  if (digest(content) != bytes.substr(content.size()))
    throw DamagedCheckpoint(source, "is damaged: its SHA-256 is not that of its bytes");
  return content;
}

void check_schema(std::string_view version, const std::string& source) {
  int64_t schema = 0;
  const auto end = version.data() + version.size();
  const auto read = std::from_chars(version.data(), end, schema);
  if (read.ptr != end || read.ec != std::errc() || schema < 1)
    throw DamagedCheckpoint(source, "is damaged: it states no version");
  if (schema != kCheckpointSchema)
    throw InputError(source, "is of checkpoint version " + std::to_string(schema) +
                                 "; this program reads version " +
                                 std::to_string(kCheckpointSchema) +
                                 ", so resume with the Starling that wrote it");
}

void read_sections(JsonObject& header, std::string_view rest, Checkpoint& checkpoint) {
  for (JsonObject& entry : header.objects("sections")) {
    const auto name = entry.string("name");
    const auto size = static_cast<uint64_t>(entry.integer("bytes", 0, kLargest));
    entry.finish();
    if (size > rest.size()) entry.fail("bytes", "is more than the file holds");
    if (!checkpoint.sections.emplace(name, rest.substr(0, size)).second)
      entry.fail("name", "stands twice");
    rest.remove_prefix(size);
  }
  if (!rest.empty()) header.fail("sections", "leave bytes of the file to nobody");
}

// round-12.checkpoint -> 12
std::optional<int64_t> round_of(const std::string& name) {
  std::string_view text = name;
  if (!text.starts_with(kPrefix) || !text.ends_with(kSuffix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  text.remove_suffix(kSuffix.size());
  int64_t round = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, round);
  const bool formed = read.ptr == end && read.ec == std::errc() && round >= 0;
  return formed ? std::optional(round) : std::nullopt;
}

}  // namespace

const std::string& Checkpoint::section(const std::string& name) const {
  const auto found = sections.find(name);
  if (found == sections.end())
    throw InputError("checkpoint of round " + std::to_string(round),
                     "has no section \"" + name + "\"");
  return found->second;
}

std::string format_checkpoint(const Checkpoint& checkpoint) {
  std::string bytes =
      std::string(kMagic) + std::to_string(kCheckpointSchema) + "\n" + header_of(checkpoint) + "\n";
  for (const auto& [name, section] : checkpoint.sections) bytes += section;
  return bytes + digest(bytes);
}

Checkpoint parse_checkpoint(std::string_view bytes, const std::string& source) {
  auto rest = without_digest(bytes, source);
  check_schema(take_line(rest, source).substr(kMagic.size()), source);
  const Json json = parse_json(take_line(rest, source), source);
  JsonObject header(json, source);
  Checkpoint checkpoint;
  checkpoint.run = header.string("run");
  checkpoint.config = header.string("config");
  checkpoint.round = header.integer("round", 0, kLargest);
  read_sections(header, rest, checkpoint);
  header.finish();
  return checkpoint;
}

CheckpointFolder::CheckpointFolder(std::string folder, int64_t keep)
    : folder_(std::move(folder)), keep_(std::max<int64_t>(keep, 1)) {
  create_folders(folder_);
}

std::string CheckpointFolder::path_of(int64_t round) const {
  return folder_ + "/" + std::string(kPrefix) + std::to_string(round) + std::string(kSuffix);
}

std::map<int64_t, std::string> CheckpointFolder::files() const {
  std::map<int64_t, std::string> found;
  for (const auto& entry : fs::directory_iterator(folder_))
    if (const auto round = round_of(entry.path().filename().string()))
      found[*round] = entry.path().string();
  return found;
}

void CheckpointFolder::write(const Checkpoint& checkpoint) const {
  write_file_atomically(path_of(checkpoint.round), format_checkpoint(checkpoint), kOwnerOnly);
  const auto kept = files();
  auto oldest = kept.begin();
  for (auto count = static_cast<int64_t>(kept.size()); count > keep_; --count, ++oldest)
    if (oldest->first < checkpoint.round) fs::remove(oldest->second);
}

std::optional<Checkpoint> CheckpointFolder::newest() const {
  const auto all = files();
  for (auto file = all.rbegin(); file != all.rend(); ++file) {
    try {
      return parse_checkpoint(read_file(file->second), file->second);
    } catch (const DamagedCheckpoint& problem) {
      log::warning(std::string(problem.what()) + "; the checkpoint before it is used");
    }
  }
  if (!all.empty())
    throw InputError(folder_, "holds " + std::to_string(all.size()) +
                                  " checkpoints and every one is damaged; start the run again");
  return std::nullopt;
}

void check_belongs(const Checkpoint& checkpoint, const std::string& run, const std::string& config,
                   const std::string& source) {
  if (checkpoint.run != run)
    throw InputError(source, "the checkpoint is of run " + checkpoint.run + ", not of " + run);
  if (checkpoint.config != config)
    throw InputError(source,
                     "the checkpoint was written with another experiment, other data, another "
                     "binary or another kind of CPU (its hash is " +
                         checkpoint.config.substr(0, 12) + ", this run's is " +
                         config.substr(0, 12) + ")");
}

}  // namespace starling
