#include "starling/data/table.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "starling/core/error.h"
#include "starling/core/json.h"

namespace starling {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 31;
constexpr size_t kMostListed = 5;

using Places = std::unordered_map<std::string, int64_t>;

// What a cell of a category or label column leads to: its feature, or its class.
Places places_of(const TableColumn& column) {
  Places places;
  for (size_t i = 0; i < column.values.size(); ++i)
    places.emplace(column.values[i], static_cast<int64_t>(i));
  for (size_t c = 0; c < column.classes.size(); ++c) {
    for (const std::string& cell : column.classes[c].cells)
      places.emplace(cell, static_cast<int64_t>(c));
  }
  return places;
}

std::string unknown(const CsvCell& cell, const TableColumn& column, const Places& places) {
  std::vector<std::string> known;
  for (const auto& [text, place] : places) known.push_back(text);
  std::ranges::sort(known);
  const std::string problem =
      quoted_cell(cell.text) + " is no value of column \"" + column.name + "\"";
  if (known.size() > kMostListed) return problem + did_you_mean(cell.text, known);
  std::string list;
  for (const std::string& text : known) list += (list.empty() ? "" : ", ") + quoted_cell(text);
  return problem + "; allowed are " + list;
}

// The records of one part, one after the other.
class Records {
 public:
  Records(CsvReader& reader, const TableSchema& schema, TablePart part)
      : reader_(reader), schema_(schema), part_(part) {
    if (schema_.header && reader_.next()) check_header();
  }

  bool next() {
    while (reader_.next()) {
      check_width();
      const bool is_test = schema_.test_every > 0 && ++count_ % schema_.test_every == 0;
      if (part_ == TablePart::all || is_test == (part_ == TablePart::test)) return true;
    }
    return false;
  }
  const CsvReader& reader() const { return reader_; }

 private:
  void check_width() const {
    const size_t found = reader_.cells().size(), wanted = schema_.columns.size();
    if (found == wanted) return;
    reader_.fail(reader_.cells()[std::min(found, wanted) - (found < wanted ? 1 : 0)],
                 "the record has " + std::to_string(found) + " cells and the schema " +
                     std::to_string(wanted) + " columns");
  }
  void check_header() const {
    check_width();
    for (size_t i = 0; i < schema_.columns.size(); ++i) {
      const CsvCell& cell = reader_.cells()[i];
      if (cell.text != schema_.columns[i].name)
        reader_.fail(cell, "the header says " + quoted_cell(cell.text) + " and the schema \"" +
                               schema_.columns[i].name + "\"");
    }
  }

  CsvReader& reader_;
  const TableSchema& schema_;
  TablePart part_;
  int64_t count_ = 0;
};

// Numbers the cells of one column as they first appear.
class OwnerColumn {
 public:
  OwnerColumn(const TableSchema& schema, const std::string& name) {
    if (name.empty()) return;
    const auto found = std::ranges::find(schema.columns, name, &TableColumn::name);
    if (found == schema.columns.end())
      throw InputError("partition/by", "the table has no column \"" + name + "\"");
    index_ = found - schema.columns.begin();
  }

  void append(const CsvReader& reader, Dataset& data) {
    if (index_ < 0) return;
    const std::string& cell = reader.cells()[static_cast<size_t>(index_)].text;
    data.owners.push_back(numbers_.emplace(cell, std::ssize(numbers_)).first->second);
  }

 private:
  int64_t index_ = -1;  // no column
  Places numbers_;
};

// Cells to features, column by column.
class Encoder {
 public:
  explicit Encoder(const TableSchema& schema) : schema_(schema) {
    for (const TableColumn& column : schema.columns) places_.push_back(places_of(column));
  }

  void append(const CsvReader& reader, Dataset& data) const {
    const int64_t size = data.example_size();
    if ((data.size() + 1) * size > kMostValues)
      reader.fail(reader.cells()[0], "the table has more than 2^31 values");
    size_t at = data.features.size();
    data.features.resize(at + static_cast<size_t>(size), 0.0f);
    for (size_t i = 0; i < schema_.columns.size(); ++i) {
      encode(reader, i, data, at);
      at += static_cast<size_t>(schema_.columns[i].features());
    }
  }

 private:
  void encode(const CsvReader& reader, size_t i, Dataset& data, size_t at) const {
    const TableColumn& column = schema_.columns[i];
    const CsvCell& cell = reader.cells()[i];
    if (column.kind == ColumnKind::ignore) return;
    if (is_missing(cell)) {
      if (column.takes_missing) {
        if (is_scaled(column)) data.features[at] = std::numeric_limits<float>::quiet_NaN();
        return;
      }
      reader.fail(cell, quoted_cell(cell.text) + " stands for a missing value, which column \"" +
                            column.name + "\" does not take");
    }
    switch (column.kind) {
      case ColumnKind::number:
        data.features[at] = standardised(reader, i);
        break;
      case ColumnKind::category:
        data.features[at + static_cast<size_t>(place(reader, i))] = 1.0f;
        break;
      case ColumnKind::target:
        data.targets.push_back(standardised(reader, i));
        break;
      case ColumnKind::label:
        data.labels.push_back(place(reader, i));
        break;
      case ColumnKind::ignore:
        break;
    }
  }

  bool is_scaled(const TableColumn& column) const {
    return schema_.scale_to_bounds && column.kind == ColumnKind::number;
  }

  float standardised(const CsvReader& reader, size_t i) const {
    const TableColumn& column = schema_.columns[i];
    const double value = reader.number(reader.cells()[i]);
    if (!is_scaled(column)) return static_cast<float>((value - column.mean) / column.std);
    const double place = (value - column.bounds->middle()) / column.bounds->half();
    return static_cast<float>(std::clamp(place, -1.0, 1.0));
  }

  bool is_missing(const CsvCell& cell) const {
    return !cell.quoted && std::ranges::find(schema_.missing, cell.text) != schema_.missing.end();
  }

  int64_t place(const CsvReader& reader, size_t i) const {
    const TableColumn& column = schema_.columns[i];
    const CsvCell& cell = reader.cells()[i];
    const auto found = places_[i].find(cell.text);
    if (found != places_[i].end()) return found->second;
    if (!column.other) reader.fail(cell, unknown(cell, column, places_[i]));
    return static_cast<int64_t>(column.values.size());
  }

  const TableSchema& schema_;
  std::vector<Places> places_;
};

Dataset read_all(CsvReader& reader, const std::string& place, const std::string& name,
                 const TableSchema& schema, TablePart part, const std::string& owners) {
  if (schema.scale_to_bounds) bounded_columns(schema);
  Dataset data;
  data.name = name;
  data.shape = {schema.features()};
  data.classes = static_cast<int64_t>(schema.outcome().classes.size());
  const Encoder encoder(schema);
  Records records(reader, schema, part);
  OwnerColumn owner_column(schema, owners);
  while (records.next()) {
    encoder.append(records.reader(), data);
    owner_column.append(records.reader(), data);
  }
  if (data.size() == 0) throw InputError(place, "holds no record");
  return data;
}

}  // namespace

int64_t TableColumn::features() const {
  if (kind == ColumnKind::number) return 1;
  if (kind == ColumnKind::category) return static_cast<int64_t>(values.size()) + (other ? 1 : 0);
  return 0;
}

int64_t TableSchema::features() const {
  int64_t count = 0;
  for (const TableColumn& column : columns) count += column.features();
  return count;
}

const TableColumn& TableSchema::outcome() const {
  for (const TableColumn& column : columns) {
    if (column.kind == ColumnKind::label || column.kind == ColumnKind::target) return column;
  }
  throw Error("the table has no column of kind label or target");
}

std::vector<std::string> TableSchema::feature_names() const {
  std::vector<std::string> names;
  for (const TableColumn& column : columns) {
    if (column.kind == ColumnKind::number) names.push_back(column.name);
    for (const std::string& value : column.values) names.push_back(column.name + "=" + value);
    if (column.other) names.push_back(column.name + "=other");
  }
  return names;
}

std::vector<NumberColumn> bounded_columns(const TableSchema& schema) {
  std::vector<NumberColumn> numbers;
  int64_t feature = 0;
  for (const TableColumn& column : schema.columns) {
    if (column.kind == ColumnKind::number) {
      if (!column.bounds)
        throw InputError("column \"" + column.name + "\"",
                         "has no \"bounds\"; without public bounds nothing limits how much one "
                         "record moves its mean");
      numbers.push_back({column.name, feature, *column.bounds, column.takes_missing});
    }
    feature += column.features();
  }
  if (numbers.empty()) throw InputError("the table", "has no column of kind \"number\"");
  return numbers;
}

Dataset read_table(const std::string& path, const std::string& name, const TableSchema& schema,
                   TablePart part, const std::string& owners) {
  CsvReader reader(path, schema.dialect);
  return read_all(reader, path, name, schema, part, owners);
}

Dataset parse_table(std::string bytes, const std::string& name, const TableSchema& schema,
                    TablePart part, const std::string& owners) {
  CsvReader reader(name, std::move(bytes), schema.dialect);
  return read_all(reader, name, name, schema, part, owners);
}

std::vector<std::vector<std::string>> first_records(const std::string& path,
                                                    const TableSchema& schema, TablePart part,
                                                    int64_t count) {
  std::vector<std::vector<std::string>> all;
  CsvReader reader(path, schema.dialect);
  Records records(reader, schema, part);
  while (static_cast<int64_t>(all.size()) < count && records.next()) {
    all.emplace_back();
    for (const CsvCell& cell : records.reader().cells()) all.back().push_back(cell.text);
  }
  return all;
}

}  // namespace starling
