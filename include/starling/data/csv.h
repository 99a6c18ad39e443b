#pragma once
// Comma-separated tables, plain or gzip, one record a line. Everything that a lenient reader
// guesses about is an error that names file, line and column: rows of unequal length, an open
// quote, text behind a closing quote, control characters, a line of more than 1 MiB. A byte order
// mark at the start, line ends of LF or CR LF and a missing one at the end are taken as they come.
//
// Cells are text; spaces and tabs around a cell that is not quoted are not part of it. Quotes are
// as in RFC 4180: "a ""b"", c"; a quoted cell ends on its line. Empty lines hold no record. Numbers
// are read as in C, whatever the locale says.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "starling/data/gzip.h"

namespace starling {

struct CsvDialect {
  char separator = ',';
  std::string comment;  // lines that begin with it hold no record; empty: there are none
  bool operator==(const CsvDialect&) const = default;
};

inline constexpr size_t kLongestCsvLine = size_t{1} << 20;
inline constexpr size_t kMostCsvCells = 10'000;  // of a record

struct CsvCell {
  std::string text;    // without quotes
  int64_t column = 1;  // where it begins in its line, in bytes from 1
  bool quoted = false;
};

// The records of a file in order, one in memory at a time.
class CsvReader {
 public:
  // Errors: as DataFile; InputError where the separator is a quote, a space or a line end.
  CsvReader(std::string path, CsvDialect dialect);
  // The same of bytes in memory, which `name` names in errors.
  CsvReader(std::string name, std::string bytes, CsvDialect dialect);

  // Goes to the next record; false at the end of the file. Errors: InputError
  // "<file>:<line>:<column>: ...", also where the record has not as many cells as the first one.
  bool next();
  const std::vector<CsvCell>& cells() const { return cells_; }
  int64_t line() const { return line_; }  // of the present record, from 1

  // A finite decimal number: digits with a point and an exponent, as 5, -0.25, .5 or 1e-3. Refused
  // are nan, inf, hexadecimal, a plus sign, a comma, an empty cell, and what a double cannot hold.
  double number(const CsvCell& cell) const;

  // Throws InputError "<file>:<line>:<column>: <problem>".
  [[noreturn]] void fail(const CsvCell& cell, const std::string& problem) const;

 private:
  void check_dialect() const;
  void check_characters() const;
  bool next_line();
  void split();
  CsvCell take_cell(size_t& at) const;
  CsvCell take_quoted(size_t& at) const;
  [[noreturn]] void fail_at(size_t at, const std::string& problem) const;

  DataFile file_;
  CsvDialect dialect_;
  std::vector<uint8_t> piece_;  // read and not yet taken: piece_[from_..to_]
  size_t from_ = 0, to_ = 0;
  std::string text_;  // the present line, without its end
  int64_t line_ = 0;
  size_t width_ = 0;  // cells of the first record; 0 before it
  std::vector<CsvCell> cells_;
};

// What a cell holds, in quotes, cut and with control characters shown, for error messages.
std::string quoted_cell(std::string_view text);

}  // namespace starling
