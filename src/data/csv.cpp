#include "starling/data/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr size_t kPiece = size_t{1} << 16;
constexpr size_t kShownCell = 40;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' && c != '\t'; }

std::string number_problem(const CsvCell& cell) {
  const std::string shown = quoted_cell(cell.text);
  if (cell.text.empty()) return "the cell is empty; a number belongs here";
  if (cell.text.find(',') != std::string::npos)
    return shown + " is not a number; the decimal sign is a point";
  return shown + " is not a decimal number, as 5, -0.25 or 1e-3";
}

}  // namespace

std::string quoted_cell(std::string_view text) {
  std::string shown = "\"";
  for (char c : text.substr(0, kShownCell)) shown += is_control(c) ? '?' : c;
  return shown + (text.size() > kShownCell ? "...\"" : "\"");
}

CsvReader::CsvReader(std::string path, CsvDialect dialect)
    : file_(std::move(path)), dialect_(std::move(dialect)), piece_(kPiece) {
  check_dialect();
}

CsvReader::CsvReader(std::string name, std::string bytes, CsvDialect dialect)
    : file_(std::move(name), std::move(bytes)), dialect_(std::move(dialect)), piece_(kPiece) {
  check_dialect();
}

void CsvReader::check_dialect() const {
  const char separator = dialect_.separator;
  if (is_control(separator) || separator == '"' || separator == ' ')
    throw InputError(file_.path(), "cells cannot be separated by a quote, a space or a line end");
}

bool CsvReader::next() {
  while (next_line()) {
    const bool blank = std::all_of(text_.begin(), text_.end(), is_blank);
    const bool comment = !dialect_.comment.empty() && text_.starts_with(dialect_.comment);
    if (blank || comment) continue;
    split();
    return true;
  }
  return false;
}

// Fills `text_` up to the next line end or the end of the file.
bool CsvReader::next_line() {
  text_.clear();
  ++line_;
  for (bool any = false;; any = true) {
    if (from_ == to_) {
      from_ = 0;
      to_ = file_.read(piece_);
      if (to_ == 0 && !any) return false;
      if (to_ == 0) break;
    }
    const uint8_t* begin = piece_.data() + from_;
    const auto* end = static_cast<const uint8_t*>(std::memchr(begin, '\n', to_ - from_));
    const size_t count = end ? static_cast<size_t>(end - begin) : to_ - from_;
    if (text_.size() + count > kLongestCsvLine)
      fail_at(kLongestCsvLine, "the line is longer than 1 MiB");
    text_.append(reinterpret_cast<const char*>(begin), count);
    from_ += count + (end ? 1 : 0);
    if (end) break;
  }
  if (line_ == 1 && text_.starts_with(kByteOrderMark)) text_.erase(0, kByteOrderMark.size());
  if (text_.ends_with('\r')) text_.pop_back();
  check_characters();
  return true;
}

void CsvReader::check_characters() const {
  const auto control = std::find_if(text_.begin(), text_.end(), is_control);
  if (control == text_.end()) return;
  fail_at(static_cast<size_t>(control - text_.begin()),
          "byte " + std::to_string(static_cast<int>(*control)) +
              " is a control character; a table is plain text in UTF-8");
}

void CsvReader::split() {
  cells_.clear();
  for (size_t at = 0;;) {
    if (cells_.size() == kMostCsvCells) fail_at(at, "the record has more than 10000 cells");
    cells_.push_back(take_cell(at));
    if (at == text_.size()) break;
    ++at;
  }
  if (width_ == 0) width_ = cells_.size();
  if (cells_.size() == width_) return;
  const bool more = cells_.size() > width_;
  fail_at(more ? static_cast<size_t>(cells_[width_].column - 1) : text_.size(),
          "the record has " + std::to_string(cells_.size()) + " cells and the first one has " +
              std::to_string(width_));
}

// Leaves `at` on the separator behind the cell, or at the end of the line.
CsvCell CsvReader::take_cell(size_t& at) const {
  while (at < text_.size() && is_blank(text_[at]) && text_[at] != dialect_.separator) ++at;
  if (at < text_.size() && text_[at] == '"') return take_quoted(at);
  const size_t begin = at;
  at = std::min(text_.find(dialect_.separator, begin), text_.size());
  size_t end = at;
  while (end > begin && is_blank(text_[end - 1])) --end;
  const size_t quote = text_.find('"', begin);
  if (quote < end) fail_at(quote, "a quote stands inside a cell that does not begin with one");
  return {text_.substr(begin, end - begin), static_cast<int64_t>(begin) + 1, false};
}

CsvCell CsvReader::take_quoted(size_t& at) const {
  CsvCell cell{{}, static_cast<int64_t>(at) + 1, true};
  for (++at;; ++at) {
    if (at >= text_.size())
      fail_at(static_cast<size_t>(cell.column - 1), "the quote is not closed on its line");
    if (text_[at] == '"') {
      if (at + 1 >= text_.size() || text_[at + 1] != '"') break;
      ++at;
    }
    cell.text += text_[at];
  }
  ++at;
  while (at < text_.size() && is_blank(text_[at]) && text_[at] != dialect_.separator) ++at;
  if (at < text_.size() && text_[at] != dialect_.separator)
    fail_at(at, "text follows a closing quote");
  return cell;
}

double CsvReader::number(const CsvCell& cell) const {
  const char* begin = cell.text.data();
  const char* end = begin + cell.text.size();
  double value = 0.0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error == std::errc::result_out_of_range && stop == end)
    fail(cell, quoted_cell(cell.text) + " is outside the range of a double");
  if (error != std::errc{} || stop != end || !std::isfinite(value))
    fail(cell, number_problem(cell));
  return value;
}

void CsvReader::fail(const CsvCell& cell, const std::string& problem) const {
  fail_at(static_cast<size_t>(cell.column - 1), problem);
}

void CsvReader::fail_at(size_t at, const std::string& problem) const {
  throw InputError(file_.path() + ":" + std::to_string(line_) + ":" + std::to_string(at + 1),
                   problem);
}

}  // namespace starling
