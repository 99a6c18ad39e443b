#include "privacy/ledger_text.h"

#include "starling/core/error.h"
#include "starling/core/hash.h"
#include "starling/core/json.h"

namespace starling::ledger_text {
namespace {

constexpr size_t kHashLength = 64;
constexpr size_t kLongestLine = size_t{1} << 20;
constexpr std::string_view kHashOpens = ",\"hash\":\"";
constexpr std::string_view kHashCloses = "\"}";
constexpr size_t kHashMember = kHashOpens.size() + kHashLength + kHashCloses.size();
constexpr int64_t kMaxInteger = int64_t{1} << 53;

Json entry_json(const LedgerEntry& entry) {
  Json json = Json::object();
  json["run"] = entry.run;
  json["config"] = entry.config;
  json["unit"] = to_string(entry.unit);
  json["client"] = entry.client;
  json["round"] = entry.round;
  json["relation"] = to_string(entry.relation);
  json["event"] = to_json(entry.event);
  json["count"] = entry.count;
  json["stream"] = entry.stream;
  return json;
}

std::string hashed_text(const LedgerLine& line) {
  Json json = entry_json(line);
  json["sequence"] = line.sequence;
  json["previous"] = line.previous;
  return json.dump();
}

// The hashed text and the hash that the line states.
std::pair<std::string, std::string> split_hash(std::string_view text, const std::string& place) {
  const bool formed = text.size() > kHashMember + 1 &&
                      text.substr(text.size() - kHashMember, kHashOpens.size()) == kHashOpens &&
                      text.substr(text.size() - kHashCloses.size()) == kHashCloses;
  if (!formed) throw InputError(place, "does not end with its hash");
  std::string hashed(text.substr(0, text.size() - kHashMember));
  const auto stated = text.substr(text.size() - kHashLength - kHashCloses.size(), kHashLength);
  return {hashed + "}", std::string(stated)};
}

Relation read_relation(JsonObject& object) {
  return relation_from_string(object.string("relation"), object.place("relation"));
}

}  // namespace

std::string content(const LedgerEntry& entry) { return entry_json(entry).dump(); }

std::string hash_of(const LedgerLine& line) { return sha256_hex(hashed_text(line)); }

std::string whole(const LedgerLine& line) {
  std::string text = hashed_text(line);
  text.pop_back();
  return text + std::string(kHashOpens) + line.hash + std::string(kHashCloses) + "\n";
}

LedgerLine read_line(std::string_view text, const std::string& place) {
  if (text.size() > kLongestLine) throw InputError(place, "is longer than 1 MiB");
  const auto [hashed, stated] = split_hash(text, place);
  if (sha256_hex(hashed) != stated) {
    throw InputError(place, "was changed: its hash is not that of its text");
  }
  const Json json = parse_json(hashed, place);
  JsonObject object(json, place);
  LedgerLine line;
  line.run = object.string("run");
  line.config = object.string("config");
  line.unit = object.choice<Unit>("unit", {{"example", Unit::example}, {"client", Unit::client}});
  line.client = object.integer("client", -1, kMaxInteger);
  line.round = object.integer("round", 0, kMaxInteger);
  line.relation = read_relation(object);
  line.event = event_from_json(object.object("event"));
  line.count = object.integer("count", 0, kMaxInteger);
  line.stream = object.string("stream");
  line.sequence = object.integer("sequence", 0, kMaxInteger);
  line.previous = object.string("previous");
  line.hash = stated;
  object.finish();
  return line;
}

}  // namespace starling::ledger_text
