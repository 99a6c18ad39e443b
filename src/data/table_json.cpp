#include "data/table_json.h"

#include <algorithm>
#include <set>

namespace starling {
namespace {

constexpr int64_t kMostRecords = int64_t{1} << 40;

std::string name_member(JsonObject& object) {
  std::string name = object.string("name");
  if (name.empty() || name.size() > 200) object.fail("name", "is empty or longer than 200 bytes");
  return name;
}

void refuse_twice(JsonObject& object, const std::string& key,
                  const std::vector<std::string>& cells) {
  std::set<std::string> seen;
  for (const std::string& cell : cells) {
    if (!seen.insert(cell).second) object.fail(key, "holds " + quoted_cell(cell) + " twice");
  }
}

void parse_category(JsonObject& object, TableColumn& column) {
  column.values = object.strings("values");
  column.other = object.boolean("other", false);
  column.takes_missing = object.choice<bool>("missing", {{"refuse", false}, {"none", true}}, false);
  if (column.values.empty()) object.fail("values", "is empty");
  if (column.features() > static_cast<int64_t>(kMostCsvCells))
    object.fail("values", "has more than 10000 values");
  refuse_twice(object, "values", column.values);
}

void parse_label(JsonObject& object, TableColumn& column) {
  std::vector<std::string> all;
  for (JsonObject& one : object.objects("classes")) {
    column.classes.push_back({name_member(one), one.strings("cells")});
    const auto& cells = column.classes.back().cells;
    if (cells.empty()) one.fail("cells", "is empty; say how the class is written");
    all.insert(all.end(), cells.begin(), cells.end());
    one.finish();
  }
  if (column.classes.size() < 2) object.fail("classes", "needs at least two");
  refuse_twice(object, "classes", all);
}

ColumnBounds parse_bounds(JsonObject& object) {
  const auto numbers = object.numbers("bounds");
  if (numbers.size() != 2 || !(numbers[0] < numbers[1]))
    object.fail("bounds", "is not two numbers, the lower one first");
  return {numbers[0], numbers[1]};
}

TableColumn parse_column(JsonObject object) {
  TableColumn column;
  column.name = name_member(object);
  column.kind = object.choice<ColumnKind>("kind", {{"number", ColumnKind::number},
                                                   {"category", ColumnKind::category},
                                                   {"label", ColumnKind::label},
                                                   {"target", ColumnKind::target},
                                                   {"ignore", ColumnKind::ignore}});
  if (column.kind == ColumnKind::number || column.kind == ColumnKind::target) {
    column.mean = object.number("mean", {}, 0.0);
    column.std = object.number("std", kPositive, 1.0);
  }
  if (column.kind == ColumnKind::number) {
    if (object.has("bounds")) column.bounds = parse_bounds(object);
    column.takes_missing =
        object.choice<bool>("missing", {{"refuse", false}, {"mean", true}}, false);
  } else if (column.kind == ColumnKind::category) {
    parse_category(object, column);
  } else if (column.kind == ColumnKind::label) {
    parse_label(object, column);
  }
  object.finish();
  return column;
}

char separator_member(JsonObject& object) {
  const std::string text = object.string("separator", ",");
  if (text != "," && text != ";" && text != "\t" && text != "|")
    object.fail("separator", quoted_cell(text) + " is not \",\", \";\", \"|\" or a tab");
  return text[0];
}

}  // namespace

TableSchema parse_table_schema(JsonObject object) {
  TableSchema schema;
  schema.dialect.separator = separator_member(object);
  schema.dialect.comment = object.string("comment", "");
  schema.header = object.boolean("header", false);
  if (object.has("missing")) schema.missing = object.strings("missing");
  schema.test_every = object.integer("test_every", 2, kMostRecords, 0);
  int64_t outcomes = 0;
  std::vector<std::string> names;
  for (const JsonObject& column : object.objects("columns")) {
    schema.columns.push_back(parse_column(column));
    names.push_back(schema.columns.back().name);
    const ColumnKind kind = schema.columns.back().kind;
    outcomes += kind == ColumnKind::label || kind == ColumnKind::target ? 1 : 0;
  }
  if (schema.columns.size() > kMostCsvCells) object.fail("columns", "has more than 10000 columns");
  refuse_twice(object, "columns", names);
  if (outcomes != 1)
    object.fail("columns", "has " + std::to_string(outcomes) +
                               " columns of kind \"label\" or \"target\"; it needs one");
  if (schema.features() == 0)
    object.fail("columns", "has no column of kind \"number\" or \"category\"");
  object.finish();
  return schema;
}

}  // namespace starling
