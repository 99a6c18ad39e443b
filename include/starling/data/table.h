#pragma once
// Tables of numbers and categories as data sets. A schema says what each column is; numbers are
// standardised by constants of the schema, or brought to [-1, 1] by its bounds; categories become
// one feature a value. Constants and bounds are public knowledge about a kind of data, never
// computed from the private examples at hand.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "starling/data/csv.h"
#include "starling/data/dataset.h"

namespace starling {

enum class ColumnKind {
  number,    // one feature, (x - mean) / std
  category,  // one feature a value, 1 where the cell is that value and 0 otherwise
  label,     // the class
  target,    // the number to predict, (x - mean) / std; exactly one column is label or target
  ignore,    // not read: identifiers, and what would give the label away
};

struct TableClass {
  std::string name;
  std::vector<std::string> cells;  // how it is written in the file
};

// Between which a column's values are taken to lie; one outside counts as the nearer bound.
struct ColumnBounds {
  double lower = 0.0, upper = 1.0;  // finite, lower < upper

  double middle() const { return lower + half(); }
  double half() const { return 0.5 * upper - 0.5 * lower; }
};

struct TableColumn {
  std::string name;
  ColumnKind kind = ColumnKind::number;
  double mean = 0.0, std = 1.0;          // number and target; std > 0
  std::optional<ColumnBounds> bounds{};  // number
  std::vector<std::string> values{};     // category, in the order of the features
  bool other = false;  // category: one more feature for values that are not listed
  // A missing number reads as the mean, a missing category as none of the values; otherwise it is
  // an error.
  bool takes_missing = false;
  std::vector<TableClass> classes{};  // label

  int64_t features() const;
};

struct TableSchema {
  CsvDialect dialect;
  bool header = false;               // the first record names the columns
  std::vector<std::string> missing;  // cells that stand for a value that is not known
  int64_t test_every = 0;  // k > 0: records k, 2k, ... of one file are the test set; 0: own files
  // Numbers become their place between their bounds, in [-1, 1], and missing ones NaN.
  bool scale_to_bounds = false;
  std::vector<TableColumn> columns;

  int64_t features() const;
  const TableColumn& outcome() const;              // the label or the target
  std::vector<std::string> feature_names() const;  // "age", "workclass=Private", ...
};

// A column of kind number.
struct NumberColumn {
  std::string name;
  int64_t feature = 0;  // where it stands in an example
  ColumnBounds bounds;
  bool takes_missing = false;
};
// In the order of the columns. Errors: InputError naming a column that has no bounds; where there
// is no column of kind number.
std::vector<NumberColumn> bounded_columns(const TableSchema& schema);

enum class TablePart { all, train, test };

// Features [n, F] in the order of the columns, and labels or targets. Where the name of a column is
// given as `owners`, so are owners: its cells as they stand, numbered as they first appear, the
// missing one being one of them. Errors: InputError
// "<file>:<line>:<column>: ..." where a cell is not what its column says, the header names other
// columns, or there are more than 2^31 values; without a record, naming the file.
Dataset read_table(const std::string& path, const std::string& name, const TableSchema& schema,
                   TablePart part = TablePart::all, const std::string& owners = "");
// The same of bytes in memory, which `name` names in errors too.
Dataset parse_table(std::string bytes, const std::string& name, const TableSchema& schema,
                    TablePart part = TablePart::all, const std::string& owners = "");

// The cells of the first `count` records of a part, as they stand.
std::vector<std::vector<std::string>> first_records(const std::string& path,
                                                    const TableSchema& schema, TablePart part,
                                                    int64_t count);

}  // namespace starling
