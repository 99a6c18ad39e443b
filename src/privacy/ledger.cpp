#include "starling/privacy/ledger.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "privacy/ledger_text.h"
#include "starling/core/error.h"
#include "starling/core/log.h"

namespace starling {
namespace {

constexpr uint64_t kLargestLedger = uint64_t{4} << 30;
constexpr int64_t kMaxCount = int64_t{1} << 53;

std::string key_of(const LedgerEntry& entry) {
  return Json{entry.run, to_string(entry.unit), entry.client, entry.round}.dump();
}

std::string place_of(const std::string& source, size_t line) {
  return source + ": line " + std::to_string(line);
}

int64_t total_count(const LedgerEntry& entry) {
  const int64_t each = entry.event.count;
  if (each != 0 && entry.count > kMaxCount / each) {
    throw Error("round " + std::to_string(entry.round) + " of client " +
                std::to_string(entry.client) + " records more than 2^53 releases");
  }
  return entry.count * each;
}

void check_entry(const LedgerEntry& entry) {
  if (entry.round < 0 || entry.client < -1 || entry.count < 0 || entry.event.count < 0) {
    throw Error("ledger entry of client " + std::to_string(entry.client) + ", round " +
                std::to_string(entry.round) + ", count " + std::to_string(entry.count) +
                ": client is at least -1, round and count are at least 0");
  }
  total_count(entry);
  const Json event = to_json(entry.event);  // what the file could not give back is refused here
  event_from_json(JsonObject(event, "ledger entry"));
}

// The text up to its last line feed, and what follows: a line that was never finished.
std::pair<std::string_view, std::string_view> split_tail(std::string_view text) {
  const size_t end = text.rfind('\n');
  const size_t whole = end == std::string_view::npos ? 0 : end + 1;
  return {text.substr(0, whole), text.substr(whole)};
}

bool is_whole_line(std::string_view text) {
  try {
    ledger_text::read_line(text, "tail");
    return true;
  } catch (const InputError&) {
    return false;
  }
}

std::string text_of(const std::string& path) {
  try {
    return read_file(path, kLargestLedger);
  } catch (const Error& problem) {
    throw InputError(problem.what());
  }
}

// The text with whole lines only. A tail that only lacks its line feed counts: it may have been
// followed by its release.
std::string mended(const std::string& text, const std::string& path) {
  const auto [whole, tail] = split_tail(text);
  if (tail.empty()) return text;
  if (is_whole_line(tail)) return text + "\n";
  log::warning(path + ": the unfinished last line is dropped; its release never happened");
  return std::string(whole);
}

// In place, so that the lock holds.
void mend_file(const std::string& path, size_t size, const std::string& mended, DurableFile& file) {
  if (mended.size() > size) return file.append(std::string_view(mended).substr(size));
  if (mended.size() == size) return;
  std::filesystem::resize_file(path, mended.size());
  file.append("");  // flushes the new length
}

void add_line(Composition& composition, const LedgerLine& line) {
  if (composition.events.empty()) composition.relation = line.relation;
  if (line.relation != composition.relation) {
    throw Error("client " + std::to_string(line.client) + ": line " +
                std::to_string(line.sequence + 1) + " is under " + to_string(line.relation) +
                ", earlier ones under " + to_string(composition.relation) +
                "; one epsilon needs one relation");
  }
  composition.events.push_back(line.event);
  composition.events.back().count = total_count(line);
}

std::map<int64_t, Composition> composed(const std::vector<LedgerLine>& lines, Unit unit,
                                        std::optional<int64_t> client) {
  std::map<int64_t, Composition> all;
  for (const LedgerLine& line : lines) {
    if (line.unit == unit && line.client == client.value_or(line.client)) {
      add_line(all[line.client], line);
    }
  }
  for (auto& [id, composition] : all) composition.events = merge_equal(composition.events);
  return all;
}

void check_head(const PrivacyLedger& ledger, const LedgerHead& expected,
                const std::string& source) {
  const auto& lines = ledger.lines();
  const int64_t have = static_cast<int64_t>(lines.size());
  if (have < expected.lines) {
    throw InputError(source, "has " + std::to_string(have) + " lines where " +
                                 std::to_string(expected.lines) +
                                 " were recorded: the end was cut off");
  }
  const std::string hash = expected.lines == 0 ? LedgerHead{}.hash : lines[expected.lines - 1].hash;
  if (hash != expected.hash) {
    throw InputError(
        place_of(source, std::max<int64_t>(expected.lines, 1)),
        "hash " + hash + " is not the recorded " + expected.hash + ": the ledger was rewritten");
  }
}

}  // namespace

std::string to_string(Unit unit) { return unit == Unit::example ? "example" : "client"; }

PrivacyLedger PrivacyLedger::open(const std::string& path) {
  auto lock = std::make_unique<FileLock>(path);
  auto file = std::make_unique<DurableFile>(path);
  PrivacyLedger ledger;
  if (std::filesystem::is_regular_file(path)) {
    const std::string found = text_of(path);
    const std::string text = mended(found, path);
    ledger = parse(text, path);
    mend_file(path, found.size(), text, *file);
  }
  ledger.lock_ = std::move(lock);
  ledger.file_ = std::move(file);
  return ledger;
}

void PrivacyLedger::record(const std::vector<LedgerEntry>& entries) {
  if (broken_) throw Error("the ledger could not be written before; nothing more is recorded");
  const size_t before = lines_.size();
  std::string text;
  for (const LedgerEntry& entry : entries) check_entry(entry);
  for (const LedgerEntry& entry : entries) {
    if (replays(entry)) continue;
    LedgerLine line;
    static_cast<LedgerEntry&>(line) = entry;
    const LedgerHead end = head();
    line.sequence = end.lines;
    line.previous = end.hash;
    line.hash = ledger_text::hash_of(line);
    text += to_text(line);
    keep(std::move(line));
  }
  if (!file_ || lines_.size() == before) return;
  broken_ = true;
  file_->append(text);
  broken_ = false;
}

void PrivacyLedger::record(const Event& event, Relation relation, int64_t count,
                           const std::string& run) {
  LedgerEntry entry;
  entry.run = run;
  entry.client = 0;
  entry.round = next_round_[run];
  entry.relation = relation;
  entry.event = event;
  entry.count = count;
  record(entry);
}

bool PrivacyLedger::replays(const LedgerEntry& entry) const {
  const std::string content = ledger_text::content(entry);
  const auto [first, last] = by_key_.equal_range(key_of(entry));
  return std::any_of(first, last, [&](const auto& known) {
    return ledger_text::content(lines_[known.second]) == content;
  });
}

void PrivacyLedger::keep(LedgerLine line) {
  by_key_.emplace(key_of(line), lines_.size());
  int64_t& next = next_round_[line.run];
  next = std::max(next, line.round + 1);
  lines_.push_back(std::move(line));
}

Composition PrivacyLedger::events_of(Unit unit, int64_t client) const {
  std::map<int64_t, Composition> all = composed(lines_, unit, client);
  return all.empty() ? Composition{} : std::move(all.begin()->second);
}

std::map<int64_t, Composition> PrivacyLedger::compositions(Unit unit) const {
  return composed(lines_, unit, std::nullopt);
}

LedgerHead PrivacyLedger::head() const {
  if (lines_.empty()) return {};
  return {static_cast<int64_t>(lines_.size()), lines_.back().hash};
}

PrivacyLedger PrivacyLedger::read(const std::string& path,
                                  const std::optional<LedgerHead>& expected) {
  return parse(text_of(path), path, expected);
}

PrivacyLedger PrivacyLedger::parse(std::string_view text, const std::string& source,
                                   const std::optional<LedgerHead>& expected) {
  PrivacyLedger ledger;
  while (!text.empty()) {
    const std::string place = place_of(source, ledger.lines_.size() + 1);
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      throw InputError(place, "is unfinished: a crash cut it short, or the file was truncated");
    }
    LedgerLine line = ledger_text::read_line(text.substr(0, end), place);
    const LedgerHead head = ledger.head();
    if (line.sequence != head.lines) {
      throw InputError(place, "sequence " + std::to_string(line.sequence) + " stands where " +
                                  std::to_string(head.lines) +
                                  " is due: a line was removed, added or moved");
    }
    if (line.previous != head.hash) {
      throw InputError(place, "names " + line.previous + " as the line before, whose hash is " +
                                  head.hash + ": the chain is broken");
    }
    ledger.keep(std::move(line));
    text.remove_prefix(end + 1);
  }
  if (expected) check_head(ledger, *expected, source);
  return ledger;
}

PrivacyLedger merge(const std::vector<const PrivacyLedger*>& ledgers) {
  PrivacyLedger merged;
  for (const PrivacyLedger* ledger : ledgers) {
    merged.record(std::vector<LedgerEntry>(ledger->lines().begin(), ledger->lines().end()));
  }
  return merged;
}

std::string to_text(const LedgerLine& line) { return ledger_text::whole(line); }

std::string listing(const PrivacyLedger& ledger, int64_t limit) {
  std::string text = "line  unit     client  round  releases\n";
  for (const LedgerLine& line : ledger.lines()) {
    if (line.sequence >= limit) {
      return text + "... and " + std::to_string(ledger.head().lines - limit) + " more lines\n";
    }
    Event event = line.event;
    event.count = total_count(line);
    char start[96];
    std::snprintf(start, sizeof start, "%4lld  %-7s  %6lld  %5lld  ",
                  static_cast<long long>(line.sequence + 1), to_string(line.unit).c_str(),
                  static_cast<long long>(line.client), static_cast<long long>(line.round));
    text += start + describe(event) + ", " + to_string(line.relation) + "\n";
  }
  return text;
}

}  // namespace starling
