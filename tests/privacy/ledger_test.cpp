#include "starling/privacy/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "starling/core/error.h"
#include "starling/core/hash.h"
#include "starling/core/log.h"

namespace starling {
namespace {

using ::testing::HasSubstr;

LedgerEntry entry(int64_t client, int64_t round, int64_t count = 10) {
  LedgerEntry result;
  result.run = "r1";
  result.config = "c0ffee";
  result.client = client;
  result.round = round;
  result.event = Event{GaussianMechanism{1.1}, PoissonSampling{0.01}, 1};
  result.count = count;
  result.stream = "noise/" + std::to_string(client) + "/" + std::to_string(round);
  return result;
}

PrivacyLedger filled(int64_t rounds) {
  PrivacyLedger ledger;
  for (int64_t round = 0; round < rounds; ++round) {
    ledger.record({entry(0, round), entry(1, round, 20)});
  }
  return ledger;
}

std::vector<std::string> texts(const PrivacyLedger& ledger) {
  std::vector<std::string> lines;
  for (const LedgerLine& line : ledger.lines()) lines.push_back(to_text(line));
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

std::string error_of(const std::string& text, std::optional<LedgerHead> head = std::nullopt) {
  try {
    PrivacyLedger::parse(text, "ledger.jsonl", head);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::string contents(const std::string& path) { return read_file(path); }

class LedgerFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    log::to_stderr(log::Level::off);
    std::filesystem::remove(path_);
  }
  void TearDown() override {
    std::filesystem::remove(path_);
    log::to_stderr(log::Level::info);
  }
  const std::string path_ = testing::TempDir() + "ledger_test_" +
                            testing::UnitTest::GetInstance()->current_test_info()->name() +
                            ".jsonl";
};

TEST(LedgerTest, ALineHoldsWhatAnyoneNeedsToRecomputeEpsilon) {
  const std::string line = texts(filled(1))[0];
  const std::string zeros(64, '0');
  const std::string hashed =
      R"({"run":"r1","config":"c0ffee","unit":"example","client":0,"round":0,)"
      R"("relation":"zero_out","event":{"mechanism":"gaussian","noise_multiplier":1.1,"count":1,)"
      R"("sampling":{"kind":"poisson","rate":0.01}},"count":10,"stream":"noise/0/0",)"
      R"("sequence":0,"previous":")" +
      zeros + "\"}";
  EXPECT_EQ(line,
            hashed.substr(0, hashed.size() - 1) + R"(,"hash":")" + sha256_hex(hashed) + "\"}\n");
}

TEST(LedgerTest, ParseGivesBackWhatWasRecorded) {
  const PrivacyLedger ledger = filled(5);
  const PrivacyLedger again = PrivacyLedger::parse(joined(texts(ledger)), "l", ledger.head());
  EXPECT_EQ(joined(texts(again)), joined(texts(ledger)));
  EXPECT_EQ(again.head(), ledger.head());
}

TEST(LedgerTest, EventsComposePerClientWithCountsMultiplied) {
  PrivacyLedger ledger = filled(3);
  LedgerEntry twice = entry(0, 3, 10);
  twice.event.count = 2;
  ledger.record(twice);
  const Composition zero = ledger.events_of(Unit::example, 0);
  ASSERT_EQ(zero.events.size(), 1u);
  EXPECT_EQ(zero.events[0].count, 3 * 10 + 20);
  EXPECT_EQ(ledger.events_of(Unit::example, 1).events[0].count, 60);
  EXPECT_TRUE(ledger.events_of(Unit::example, 2).events.empty());
  EXPECT_TRUE(ledger.events_of(Unit::client, 0).events.empty());
  EXPECT_EQ(ledger.compositions(Unit::example).size(), 2u);
}

TEST(LedgerTest, UnitsDoNotMix) {
  PrivacyLedger ledger;
  ledger.record(entry(-1, 0));
  LedgerEntry server = entry(-1, 0, 1);
  server.unit = Unit::client;
  server.relation = Relation::add_remove;
  ledger.record(server);
  EXPECT_EQ(ledger.lines().size(), 2u);
  EXPECT_EQ(ledger.events_of(Unit::client, -1).events[0].count, 1);
  EXPECT_EQ(ledger.events_of(Unit::client, -1).relation, Relation::add_remove);
}

TEST(LedgerTest, ReplayOfAnEqualEntryWritesNothing) {
  PrivacyLedger ledger = filled(3);
  const LedgerHead before = ledger.head();
  ledger.record({entry(0, 1), entry(1, 2, 20)});
  EXPECT_EQ(ledger.head(), before);
}

TEST(LedgerTest, AnyDifferenceUnderTheSameKeyIsCountedBesideTheOld) {
  std::vector<LedgerEntry> changed(5, entry(0, 0));
  changed[0].stream = "another";
  changed[1].config = "another";
  changed[2].count = 11;
  changed[3].event.mechanism = GaussianMechanism{1.2};
  changed[4].relation = Relation::add_remove;
  for (const LedgerEntry& different : changed) {
    PrivacyLedger ledger = filled(1);
    ledger.record(different);
    EXPECT_EQ(ledger.lines().size(), 3u);
  }
  PrivacyLedger ledger = filled(1);
  ledger.record(changed[0]);
  EXPECT_EQ(ledger.events_of(Unit::example, 0).events[0].count, 20);
  ledger.record(changed[0]);  // and its own replay is one again
  EXPECT_EQ(ledger.lines().size(), 3u);
}

TEST(LedgerTest, OtherRunsRoundsAndClientsAreOtherReleases) {
  PrivacyLedger ledger;
  LedgerEntry run = entry(0, 0);
  run.run = "r2";
  ledger.record({entry(0, 0), run, entry(0, 1), entry(1, 0)});
  EXPECT_EQ(ledger.lines().size(), 4u);
}

TEST(LedgerTest, MixedRelationsOfOneClientAreRefused) {
  PrivacyLedger ledger = filled(1);
  LedgerEntry other = entry(0, 1);
  other.relation = Relation::replace_one;
  ledger.record(other);
  EXPECT_THROW(ledger.events_of(Unit::example, 0), Error);
  EXPECT_NO_THROW(ledger.events_of(Unit::example, 1));
}

TEST(LedgerTest, EveryChangedByteIsFound) {
  const auto lines = texts(filled(2));
  const std::string text = joined(lines);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string tampered = text;
    tampered[i] = static_cast<char>(tampered[i] ^ 1);
    EXPECT_NE(error_of(tampered), "accepted") << "byte " << i << " '" << text[i] << "'";
  }
}

TEST(LedgerTest, ErrorsNameTheLine) {
  auto lines = texts(filled(3));
  lines[3].replace(lines[3].find("\"count\":20"), 10, "\"count\":02");
  EXPECT_THAT(error_of(joined(lines)), HasSubstr("ledger.jsonl: line 4: was changed"));
}

TEST(LedgerTest, RemovedSwappedRepeatedAndInsertedLinesAreFound) {
  const auto lines = texts(filled(3));
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    auto removed = lines;
    removed.erase(removed.begin() + i);
    EXPECT_THAT(error_of(joined(removed)), HasSubstr("line " + std::to_string(i + 1)));
    auto swapped = lines;
    std::swap(swapped[i], swapped[i + 1]);
    EXPECT_THAT(error_of(joined(swapped)), HasSubstr("line " + std::to_string(i + 1)));
    auto repeated = lines;
    repeated.insert(repeated.begin() + i, lines[i]);
    EXPECT_THAT(error_of(joined(repeated)), HasSubstr("line " + std::to_string(i + 2)));
  }
}

TEST(LedgerTest, ALineRehashedAfterAChangeBreaksTheChainBehindIt) {
  PrivacyLedger cheaper;
  cheaper.record({entry(0, 0, 1), entry(1, 0, 20)});
  auto lines = texts(filled(2));
  lines[0] = texts(cheaper)[0];
  EXPECT_THAT(error_of(joined(lines)), HasSubstr("line 2: names"));
}

TEST(LedgerTest, ATruncatedChainIsFoundByItsHead) {
  const PrivacyLedger whole = filled(3);
  auto lines = texts(whole);
  lines.pop_back();
  EXPECT_EQ(error_of(joined(lines)), "accepted");
  EXPECT_THAT(error_of(joined(lines), whole.head()), HasSubstr("cut off"));
  EXPECT_THAT(error_of("", whole.head()), HasSubstr("cut off"));
}

TEST(LedgerTest, AWhollyRewrittenChainIsFoundByItsHead) {
  PrivacyLedger cheaper;
  for (int64_t round = 0; round < 3; ++round) {
    cheaper.record({entry(0, round, 1), entry(1, round, 1)});
  }
  EXPECT_THAT(error_of(joined(texts(cheaper)), filled(3).head()), HasSubstr("rewritten"));
}

TEST(LedgerTest, AChainThatGrewPastItsHeadIsAccepted) {
  EXPECT_EQ(error_of(joined(texts(filled(3))), filled(2).head()), "accepted");
  EXPECT_EQ(error_of(joined(texts(filled(3))), LedgerHead{}), "accepted");
}

TEST(LedgerTest, UnfinishedLinesAreRefusedByTheReader) {
  const std::string text = joined(texts(filled(2)));
  EXPECT_THAT(error_of(text.substr(0, text.size() - 1)), HasSubstr("line 4: is unfinished"));
  EXPECT_THAT(error_of(text + "{"), HasSubstr("line 5: is unfinished"));
  EXPECT_THAT(error_of(text + "\n"), HasSubstr("line 5"));
}

TEST(LedgerTest, WellHashedNonsenseIsStillRefused) {
  const std::string zeros(64, '0');
  const auto with_hash = [](const std::string& hashed) {
    return hashed.substr(0, hashed.size() - 1) + R"(,"hash":")" + sha256_hex(hashed) + "\"}\n";
  };
  const std::string good =
      R"({"run":"r","config":"","unit":"example","client":0,"round":0,"relation":"zero_out",)"
      R"("event":{"mechanism":"gaussian","noise_multiplier":1.0},"count":1,"stream":"",)"
      R"("sequence":0,"previous":")" +
      zeros + "\"}";
  EXPECT_EQ(error_of(with_hash(good)), "accepted");
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"count\":1", "\"count\":-1"},
           {"\"sequence\":0", "\"sequence\":1"},
           {"\"client\":0", "\"client\":-2"},
           {"\"unit\":\"example\"", "\"unit\":\"exampel\""},
           {"\"stream\":\"\"", "\"stream\":\"\",\"extra\":1"},
           {"\"round\":0,", ""},
           {"\"noise_multiplier\":1.0", "\"noise_multiplier\":-1.0"},
           {"\"count\":1", "\"count\":1,\"count\":0"}}) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_THAT(error_of(with_hash(bad)), HasSubstr("ledger.jsonl: line 1")) << to;
  }
}

TEST(LedgerTest, EntriesThatAFileCouldNotGiveBackAreRefused) {
  PrivacyLedger ledger;
  LedgerEntry bad = entry(0, 0);
  bad.event.mechanism = GaussianMechanism{NAN};
  EXPECT_THROW(ledger.record(bad), Error);
  bad = entry(0, -1);
  EXPECT_THROW(ledger.record(bad), Error);
  bad = entry(0, 0, -5);
  EXPECT_THROW(ledger.record(bad), Error);
  bad = entry(0, 0, int64_t{1} << 40);
  bad.event.count = int64_t{1} << 40;
  EXPECT_THROW(ledger.record({entry(0, 1), bad}), Error);
  EXPECT_TRUE(ledger.lines().empty());
}

TEST(LedgerTest, MergingKeepsEveryReleaseOnceInOneChain) {
  PrivacyLedger left;
  left.record({entry(0, 0), entry(1, 0, 20)});
  PrivacyLedger right;
  right.record({entry(1, 0, 20), entry(2, 0)});
  const PrivacyLedger merged = merge({&left, &right});
  EXPECT_EQ(merged.lines().size(), 3u);
  EXPECT_EQ(error_of(joined(texts(merged)), merged.head()), "accepted");
}

TEST(LedgerTest, LoopsWithoutRoundsCountEveryRelease) {
  PrivacyLedger ledger;
  const Event event{GaussianMechanism{1.0}, NoSampling{}, 1};
  ledger.record(event, Relation::zero_out);
  ledger.record(event, Relation::zero_out, 4);
  EXPECT_EQ(ledger.events_of(Unit::example, 0).events[0].count, 5);
}

TEST(LedgerTest, ListingShowsEveryLineUpToItsLimit) {
  const PrivacyLedger ledger = filled(2);
  EXPECT_THAT(listing(ledger), HasSubstr("noise multiplier 1.1"));
  EXPECT_THAT(listing(ledger, 3), HasSubstr("and 1 more line"));
}

TEST_F(LedgerFileTest, LinesAreInTheFileWhenRecordReturns) {
  PrivacyLedger ledger = PrivacyLedger::open(path_);
  ledger.record(entry(0, 0));
  EXPECT_EQ(contents(path_), joined(texts(ledger)));
  ledger.record({entry(0, 1), entry(1, 1)});
  EXPECT_EQ(contents(path_), joined(texts(ledger)));
}

TEST_F(LedgerFileTest, AReopenedLedgerContinuesTheChainAndKnowsItsReplays) {
  {
    PrivacyLedger ledger = PrivacyLedger::open(path_);
    ledger.record({entry(0, 0), entry(0, 1)});
  }
  PrivacyLedger ledger = PrivacyLedger::open(path_);
  ledger.record({entry(0, 1), entry(0, 2)});
  EXPECT_EQ(ledger.lines().size(), 3u);
  EXPECT_EQ(PrivacyLedger::read(path_, ledger.head()).lines().size(), 3u);
}

TEST_F(LedgerFileTest, ATornLastLineIsDroppedWhereverItIsCut) {
  const auto lines = texts(filled(2));
  const std::string whole = joined(lines);
  const size_t start = whole.size() - lines.back().size();
  for (const size_t cut : {start, start + 1, start + 200, whole.size() - 70, whole.size() - 2}) {
    write_file_atomically(path_, whole.substr(0, cut));
    PrivacyLedger ledger = PrivacyLedger::open(path_);
    ASSERT_EQ(ledger.lines().size(), 3u) << cut;
    ledger.record(entry(1, 1, 20));
    ASSERT_EQ(contents(path_), whole) << cut;
  }
}

TEST_F(LedgerFileTest, AWholeLastLineWithoutItsLineFeedStaysCounted) {
  const std::string whole = joined(texts(filled(2)));
  write_file_atomically(path_, whole.substr(0, whole.size() - 1));
  EXPECT_EQ(PrivacyLedger::open(path_).lines().size(), 4u);
  EXPECT_EQ(contents(path_), whole);
}

TEST_F(LedgerFileTest, TamperedFilesAreNotContinued) {
  auto lines = texts(filled(2));
  lines.erase(lines.begin());
  write_file_atomically(path_, joined(lines));
  EXPECT_THROW(PrivacyLedger::open(path_), InputError);
  EXPECT_EQ(contents(path_), joined(lines));
}

TEST_F(LedgerFileTest, ASecondWriterIsRefusedAndReadersAreNot) {
  {
    PrivacyLedger first = PrivacyLedger::open(path_);
    first.record(entry(0, 0));
    try {
      PrivacyLedger::open(path_);
      ADD_FAILURE() << "two writers of one ledger";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path_ + ": another writer has it open"));
    }
    EXPECT_EQ(PrivacyLedger::read(path_).lines().size(), 1u);
    first.record(entry(0, 1));
    PrivacyLedger moved = std::move(first);
    EXPECT_THROW(PrivacyLedger::open(path_), Error);
  }
  EXPECT_EQ(PrivacyLedger::open(path_).lines().size(), 2u);
}

// Mending happens in place: a new file under the same name would not be locked.
TEST_F(LedgerFileTest, AMendedLedgerIsLockedToo) {
  const std::string whole = joined(texts(filled(2)));
  for (const size_t cut : {size_t{1}, size_t{20}}) {
    write_file_atomically(path_, whole.substr(0, whole.size() - cut));
    PrivacyLedger ledger = PrivacyLedger::open(path_);
    EXPECT_THROW(PrivacyLedger::open(path_), Error) << cut;
  }
}

TEST_F(LedgerFileTest, ATamperedLedgerKeepsItsTornTailForWhoeverLooks) {
  auto lines = texts(filled(2));
  lines.erase(lines.begin());
  write_file_atomically(path_, joined(lines) + "{\"run\"");
  EXPECT_THROW(PrivacyLedger::open(path_), InputError);
  EXPECT_EQ(contents(path_), joined(lines) + "{\"run\"");
}

TEST_F(LedgerFileTest, AbsentFilesAreInputErrors) {
  EXPECT_THROW(PrivacyLedger::read(path_), InputError);
}

TEST(LedgerWriteTest, AFailedWriteEndsTheLedger) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs a device that is always full";
  PrivacyLedger ledger = PrivacyLedger::open("/dev/full");
  EXPECT_THROW(ledger.record(entry(0, 0)), Error);
  try {
    ledger.record(entry(0, 1));
    ADD_FAILURE() << "recorded after a failed write";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("nothing more is recorded"));
  }
}

}  // namespace
}  // namespace starling
