#pragma once
// The privacy ledger: what was, or may have been, released about every protected record. A line is
// durable BEFORE the release that it counts, so that no crash can make a run look cheaper than it
// was; what was recorded and not released stays counted. Lines are JSON, one a release kind, unit,
// client and round, chained by SHA-256: anyone can recompute epsilon from the file alone, and a
// changed, dropped or reordered line is found. They hold no time, so that runs compare byte for
// byte.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "starling/core/files.h"
#include "starling/privacy/event.h"
#include "starling/privacy/event_json.h"

namespace starling {

// Whose participation is protected: one training example, or one client with all its data.
enum class Unit { example, client };
std::string to_string(Unit unit);

struct LedgerEntry {
  std::string run;     // id of the run
  std::string config;  // hash of all that decides the released bytes apart from the random stream:
                       // resolved experiment, data, binary, CPU
  Unit unit = Unit::example;
  int64_t client = -1;  // who released; -1 is the server (unit client)
  int64_t round = 0;    // >= 0
  Relation relation = Relation::zero_out;
  Event event;        // one release; `event.count` and `count` multiply
  int64_t count = 1;  // planned releases of this round, >= 0
  // Id (never the key) of the random stream that the noise comes from. A run whose noise a seed
  // repeats writes "insecure_seed/" in front of it, and has NO DP GUARANTEE.
  std::string stream;
};

struct LedgerLine : LedgerEntry {
  int64_t sequence = 0;  // 0, 1, 2, ...
  std::string previous;  // hash of the line before; 64 zeros at the start
  std::string hash;      // SHA-256 of this line's text without its last member
};

// Where a chain ends. Kept apart from the ledger (run.json, a checkpoint), it shows a cut-off tail.
struct LedgerHead {
  int64_t lines = 0;
  std::string hash = std::string(64, '0');
  bool operator==(const LedgerHead&) const = default;
};

class PrivacyLedger {
 public:
  PrivacyLedger() = default;  // in memory only
  // Appends to the file at `path`, made if absent. Its lines are verified first; a last line that a
  // crash left unfinished was never followed by its release and is dropped. Two writers would fork
  // the chain: the file stays locked until this ledger goes. Reading stays possible.
  // Errors: Error where another ledger has the file open for writing, and as `read` throws.
  static PrivacyLedger open(const std::string& path);

  // Returns when the lines are on the disk; one flush for all. An entry equal in every field to a
  // recorded one of the same (run, unit, client, round) is a replay of that release: nothing is
  // written. Any difference appends a line, and both stay counted. Not for concurrent callers.
  // Errors: Error on a failed write, after which this ledger takes no more: end the run.
  void record(const LedgerEntry& entry) { record(std::vector<LedgerEntry>{entry}); }
  void record(const std::vector<LedgerEntry>& entries);
  // For a training loop without runs and rounds: run `run`, unit example, client 0, the next round.
  void record(const Event& event, Relation relation, int64_t count = 1,
              const std::string& run = "run");

  // Everything recorded about `client`'s records, equal events merged. Empty if there is nothing.
  // Errors: Error where its lines state different relations.
  Composition events_of(Unit unit, int64_t client) const;
  // The same for everyone of that unit, by client.
  std::map<int64_t, Composition> compositions(Unit unit) const;
  const std::vector<LedgerLine>& lines() const { return lines_; }
  LedgerHead head() const;

  // Strict: every line's form, sequence, hash and link. `expected` also refuses a chain that does
  // not pass through that head, a truncated one above all.
  // Errors: InputError "<source>: line 7: ..." for the first line that is wrong.
  static PrivacyLedger read(const std::string& path,
                            const std::optional<LedgerHead>& expected = std::nullopt);
  static PrivacyLedger parse(std::string_view text, const std::string& source,
                             const std::optional<LedgerHead>& expected = std::nullopt);

 private:
  bool replays(const LedgerEntry& entry) const;
  void keep(LedgerLine line);

  std::vector<LedgerLine> lines_;
  std::unordered_multimap<std::string, size_t> by_key_;  // key -> index into lines_
  std::map<std::string, int64_t> next_round_;            // by run
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<DurableFile> file_;
  bool broken_ = false;
};

// Several ledgers as one chain of its own, in the order given; lines of equal content are kept
// once. For the ledgers of different machines of one run, or of several runs over the same people.
PrivacyLedger merge(const std::vector<const PrivacyLedger*>& ledgers);

// The text of one line, newline included.
std::string to_text(const LedgerLine& line);
// A table for people: a line an entry, at most `limit` of them.
std::string listing(const PrivacyLedger& ledger, int64_t limit = 1000);

}  // namespace starling
