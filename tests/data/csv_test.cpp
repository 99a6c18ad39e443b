#include "starling/data/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <clocale>
#include <locale>

#include "data/idx_files.h"
#include "starling/core/error.h"

namespace starling {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using Rows = std::vector<std::vector<std::string>>;

Rows rows_of(const std::string& bytes, const CsvDialect& dialect = {}) {
  CsvReader reader("t.csv", bytes, dialect);
  Rows rows;
  while (reader.next()) {
    rows.emplace_back();
    for (const CsvCell& cell : reader.cells()) rows.back().push_back(cell.text);
  }
  return rows;
}

// Every cell as a number.
std::vector<double> numbers_of(const std::string& bytes, const CsvDialect& dialect = {}) {
  CsvReader reader("t.csv", bytes, dialect);
  std::vector<double> numbers;
  while (reader.next()) {
    for (const CsvCell& cell : reader.cells()) numbers.push_back(reader.number(cell));
  }
  return numbers;
}

std::string error_of(const std::string& bytes, const CsvDialect& dialect = {}) {
  try {
    numbers_of(bytes, dialect);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

// A locale whose decimal sign is a comma, set for C and C++ as long as the object lives.
class CommaLocale {
 public:
  CommaLocale() : before_(std::locale::global(std::locale(std::locale(), new Comma))) {
    std::setlocale(LC_ALL, "de_DE.UTF-8");  // where the system has it
  }
  ~CommaLocale() {
    std::locale::global(before_);
    std::setlocale(LC_ALL, "C");
  }

 private:
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
  };
  std::locale before_;
};

TEST(Csv, ReadsCellsAsTheyStand) {
  EXPECT_EQ(rows_of("a,b\n1,2\n"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(rows_of("39, State-gov ,\t13\n"), (Rows{{"39", "State-gov", "13"}}));
  EXPECT_EQ(rows_of("a;b,c", {';', ""}), (Rows{{"a", "b,c"}}));
  EXPECT_EQ(rows_of("a\t\tb c", {'\t', ""}), (Rows{{"a", "", "b c"}}));
  EXPECT_EQ(rows_of(",\n"), (Rows{{"", ""}}));
  EXPECT_EQ(rows_of(""), Rows{});
}

TEST(Csv, UnquotesAsRfc4180Says) {
  EXPECT_EQ(rows_of("\"a, b\",\"say \"\"no\"\"\",\"\"\n"), (Rows{{"a, b", "say \"no\"", ""}}));
  EXPECT_EQ(rows_of(" \" a \" ,b"), (Rows{{" a ", "b"}}));
}

TEST(Csv, LinesOfNoRecordAreLeftOut) {
  EXPECT_EQ(rows_of("|note\n1,2\n\n  \n|note, too\n3,4\n\n", {',', "|"}),
            (Rows{{"1", "2"}, {"3", "4"}}));
}

TEST(Csv, ByteOrderMarkAndLineEndsAreTakenAsTheyCome) {
  const Rows rows{{"1", "2"}, {"3", "4"}};
  for (const char* text : {"1,2\n3,4\n", "1,2\n3,4", "1,2\r\n3,4\r\n",
                           "\xEF\xBB\xBF"
                           "1,2\r\n3,4"})
    EXPECT_EQ(rows_of(text), rows) << text;
}

TEST(Csv, ReadsFilesPlainAndGzipAcrossPieces) {
  std::string bytes;
  for (int i = 0; i < 40'000; ++i) bytes += std::to_string(i) + ",x\n";
  const testing_files::TemporaryFolder folder;
  const auto last_of = [](const std::string& path) {
    CsvReader reader(path, CsvDialect{});
    int64_t records = 0;
    std::string last;
    for (; reader.next(); ++records) last = reader.cells()[0].text;
    EXPECT_EQ(records, 40'000);
    EXPECT_EQ(reader.cells().size(), 2u);
    return last;
  };
  EXPECT_EQ(last_of(folder.write("t.csv", bytes)), "39999");
  EXPECT_EQ(last_of(folder.write("t.csv.gz", testing_files::gzip(bytes))), "39999");
}

TEST(Csv, ReadsDecimalNumbers) {
  EXPECT_THAT(numbers_of("5,-0.25,.5,1e-3,2.5E+2,007,\"3\""),
              ElementsAre(5.0, -0.25, 0.5, 0.001, 250.0, 7.0, 3.0));
}

TEST(Csv, csv_numbers_WhatIsNoneIsRefusedByLineAndColumn) {
  for (const char* text : {"nan", "-nan", "inf", "Infinity", "0x10", "1e", "+1", "--1", "1_000",
                           "1 000", "1.2.3", "one", "-", "\xD9\xA3"}) {
    EXPECT_THAT(error_of("1,2\n3, " + std::string(text) + "\n"),
                StartsWith("t.csv:2:4: \"" + std::string(text) + "\" is not a decimal number"))
        << text;
  }
  EXPECT_EQ(error_of("1,2\n3,\n"), "t.csv:2:3: the cell is empty; a number belongs here");
  for (const char* text : {"1e400", "-1e400", "1e-400"})
    EXPECT_THAT(error_of(text), HasSubstr("t.csv:1:1: \"" + std::string(text) + "\" is outside"));
}

TEST(Csv, csv_numbers_ADecimalCommaIsRefused) {
  EXPECT_EQ(error_of("2,3\n1,5,4\n"), "t.csv:2:5: the record has 3 cells and the first one has 2");
  EXPECT_EQ(error_of("1,5;4\n", {';', ""}),
            "t.csv:1:1: \"1,5\" is not a number; the decimal sign is a point");
}

TEST(Csv, csv_numbers_DoNotDependOnTheLocale) {
  const CommaLocale comma;
  EXPECT_THAT(numbers_of("1.5,2.25"), ElementsAre(1.5, 2.25));
  EXPECT_THAT(error_of("\"1,5\""), HasSubstr("the decimal sign is a point"));
}

TEST(Csv, RefusesRowsOfUnequalLength) {
  EXPECT_EQ(error_of("1,2\n\n3\n"), "t.csv:3:2: the record has 1 cells and the first one has 2");
  EXPECT_EQ(error_of("1,2\n3,4,5\n"), "t.csv:2:5: the record has 3 cells and the first one has 2");
}

TEST(Csv, RefusesDoubtfulQuotes) {
  EXPECT_EQ(error_of("1,\"2\n3,4\n"), "t.csv:1:3: the quote is not closed on its line");
  EXPECT_EQ(error_of("1,\"2\"3\n"), "t.csv:1:6: text follows a closing quote");
  EXPECT_EQ(error_of("1,2\"\n"),
            "t.csv:1:4: a quote stands inside a cell that does not begin with one");
}

TEST(Csv, RefusesBytesThatAreNoText) {
  EXPECT_THAT(error_of(std::string("1,2\n3,\0\n", 8)),
              StartsWith("t.csv:2:3: byte 0 is a control"));
  EXPECT_THAT(error_of("1,2\r3,4\r"), StartsWith("t.csv:1:4: byte 13 is a control character"));
  EXPECT_THAT(error_of(std::string("\xFF\xFE\x31\0,\0", 6)), HasSubstr("plain text in UTF-8"));
}

TEST(Csv, RefusesALineOfTenMegabytes) {
  const std::string line = "1,2\n" + std::string(10'000'000, '1');
  EXPECT_EQ(error_of(line), "t.csv:2:1048577: the line is longer than 1 MiB");
  EXPECT_EQ(error_of(line + "\n"), "t.csv:2:1048577: the line is longer than 1 MiB");
  // Packed, it is read no further than that.
  const testing_files::TemporaryFolder folder;
  const auto path = folder.write("t.gz", testing_files::gzip(std::string(300'000'000, '1')));
  EXPECT_THROW(CsvReader(path, CsvDialect{}).next(), InputError);
}

TEST(Csv, RefusesARecordOfTooManyCells) {
  EXPECT_THAT(error_of(std::string(kMostCsvCells, ',')), HasSubstr("more than 10000 cells"));
  EXPECT_EQ(rows_of(std::string(kMostCsvCells - 1, ','))[0].size(), kMostCsvCells);
}

TEST(Csv, ErrorsShowCellsCutAndHarmless) {
  EXPECT_EQ(quoted_cell(std::string(60, 'x')), "\"" + std::string(40, 'x') + "...\"");
  EXPECT_EQ(quoted_cell("\x1b[31m"), "\"?[31m\"");
}

TEST(Csv, RefusesSeparatorsThatCellsNeed) {
  for (char separator : {'"', ' ', '\n', '\0'})
    EXPECT_THROW(CsvReader("t.csv", "1", {separator, ""}), InputError);
}

}  // namespace
}  // namespace starling
