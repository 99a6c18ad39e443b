#include "starling/data/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <set>

#include "data/idx_files.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"
#include "starling/data/catalogue.h"

namespace starling {
namespace {

using namespace testing_files;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr double kRounding = 0.02;  // of constants given with three digits

template <class Call>
std::string input_error(Call call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

// age, an identifier, work (a, b or another), the label.
TableSchema schema() {
  TableSchema schema;
  schema.missing = {"?", ""};
  schema.columns = {
      {.name = "age", .kind = ColumnKind::number, .mean = 40.0, .std = 10.0, .takes_missing = true},
      {.name = "id", .kind = ColumnKind::ignore},
      {.name = "work",
       .kind = ColumnKind::category,
       .values = {"a", "b"},
       .other = true,
       .takes_missing = true},
      {.name = "sick",
       .kind = ColumnKind::label,
       .classes = {{"no", {"0"}}, {"yes", {"1", "1."}}}}};
  return schema;
}

std::string error_of(const std::string& bytes, const TableSchema& columns = schema()) {
  return input_error([&] { parse_table(bytes, "t", columns); });
}

TEST(Table, ClientsAreTheCellsOfAColumnAsTheyFirstAppear) {
  const std::string bytes = "50,x,b,1\n20,y,a,0\n40,x,zebra,1\n30,z,?,0\n10,z,yak,0\n20,y,b,1\n";
  EXPECT_THAT(parse_table(bytes, "t", schema(), TablePart::all, "work").owners,
              ElementsAre(0, 1, 2, 3, 4, 0));
  EXPECT_THAT(parse_table(bytes, "t", schema(), TablePart::all, "id").owners,
              ElementsAre(0, 1, 0, 2, 2, 1));
  EXPECT_TRUE(parse_table(bytes, "t", schema()).owners.empty());
}

TEST(Table, StandardisesNumbersAndSpreadsCategories) {
  const Dataset data = parse_table("50,x,b,1.\n20,,a,0\n40,?,zebra,1\n", "t", schema());
  EXPECT_EQ(data.shape, std::vector<int64_t>{4});
  EXPECT_EQ(data.classes, 2);
  EXPECT_EQ(data.labels, (std::vector<int64_t>{1, 0, 1}));
  EXPECT_THAT(data.features, ElementsAre(1.0f, 0, 1, 0, -2.0f, 1, 0, 0, 0.0f, 0, 0, 1));
  EXPECT_THAT(schema().feature_names(), ElementsAre("age", "work=a", "work=b", "work=other"));
}

TEST(Table, MissingValuesReadAsTheMeanAndAsNoCategory) {
  const Dataset data = parse_table("?,x,?,0\n,x,,1\n", "t", schema());
  EXPECT_EQ(data.features, std::vector<float>(8, 0.0f));
}

TEST(Table, MissingValuesAreRefusedUnlessTheColumnTakesThem) {
  TableSchema strict = schema();
  strict.columns[0].takes_missing = false;
  EXPECT_EQ(error_of("1,x,a,0\n ?,x,a,0\n", strict),
            "t:2:2: \"?\" stands for a missing value, which column \"age\" does not take");
  EXPECT_THAT(error_of("1,x,a,?\n"), StartsWith("t:1:7: \"?\" stands for a missing value"));
  strict.missing.clear();
  EXPECT_THAT(error_of(",x,a,0\n", strict), HasSubstr("the cell is empty"));
}

TEST(Table, RefusesCellsThatAreNotWhatTheirColumnSays) {
  EXPECT_THAT(error_of("1,x,a,0\nforty,x,a,0\n"), StartsWith("t:2:1: \"forty\" is not a decimal"));
  EXPECT_EQ(error_of("1,x,a,2\n"),
            "t:1:7: \"2\" is no value of column \"sick\"; allowed are \"0\", \"1\", \"1.\"");
  TableSchema closed = schema();
  closed.columns[2].other = false;
  closed.columns[2].values = {"Private", "State-gov", "c", "d", "e", "f"};
  EXPECT_EQ(error_of("1,x,State-gov,0\n1,x,Privat,0\n", closed),
            "t:2:5: \"Privat\" is no value of column \"work\" (did you mean \"Private\"?)");
}

TEST(Table, RefusesAnotherNumberOfColumnsAndNoRecords) {
  EXPECT_EQ(error_of("1,x,a\n"), "t:1:5: the record has 3 cells and the schema 4 columns");
  EXPECT_EQ(error_of("1,x,a,0,9\n"), "t:1:9: the record has 5 cells and the schema 4 columns");
  EXPECT_EQ(error_of("\n"), "t: holds no record");
}

TEST(Table, AHeaderMustNameTheColumns) {
  TableSchema named = schema();
  named.header = true;
  EXPECT_EQ(parse_table("age,id,work,sick\n50,x,a,0\n", "t", named).size(), 1);
  EXPECT_EQ(error_of("age,work,id,sick\n50,a,x,0\n", named),
            "t:1:5: the header says \"work\" and the schema \"id\"");
}

TEST(Table, EveryKthRecordIsATestExample) {
  TableSchema divided = schema();
  divided.test_every = 3;
  std::string bytes;
  for (int age = 1; age <= 10; ++age) bytes += std::to_string(age) + ",x,a,0\n";
  const auto ages = [&](TablePart part) {
    std::vector<int> all;
    const Dataset data = parse_table(bytes, "t", divided, part);
    for (int64_t i = 0; i < data.size(); ++i)
      all.push_back(static_cast<int>(std::lround(data.features[4 * i] * 10 + 40)));
    return all;
  };
  EXPECT_THAT(ages(TablePart::test), ElementsAre(3, 6, 9));
  EXPECT_THAT(ages(TablePart::train), ElementsAre(1, 2, 4, 5, 7, 8, 10));
}

TEST(Table, BoundsMakeNumbersTheirPlaceAndKeepMissingOnesApart) {
  TableSchema bounded = schema();
  bounded.columns[0].bounds = {20.0, 100.0};
  EXPECT_EQ(parse_table("50,x,b,1\n", "t", bounded).features[0], 1.0f) << "constants decide";
  bounded.scale_to_bounds = true;
  const Dataset data =
      parse_table("20,x,a,0\n60,x,a,0\n100,x,a,0\n-7,x,a,0\n1e300,x,b,1\n?,x,?,1\n", "t", bounded);
  const float expected[] = {-1.0f, 0.0f, 1.0f, -1.0f, 1.0f};
  for (size_t i = 0; i < std::size(expected); ++i) EXPECT_EQ(data.features[4 * i], expected[i]);
  EXPECT_TRUE(std::isnan(data.features[4 * 5]));
  EXPECT_EQ(data.features[4 * 5 + 1], 0.0f) << "a missing category is none of its values";
  const auto columns = bounded_columns(bounded);
  ASSERT_EQ(columns.size(), 1u);
  EXPECT_EQ(columns[0].feature, 0);
  EXPECT_TRUE(columns[0].takes_missing);
  bounded.columns[0].bounds.reset();
  EXPECT_THAT(error_of("50,x,b,1\n", bounded), StartsWith("column \"age\": has no \"bounds\""));
}

constexpr const char* kColumns = R"("columns": [{"name": "x", "kind": "number", "std": 2},
    {"name": "y", "kind": "label", "classes": [{"name": "no", "cells": ["n"]},
                                               {"name": "yes", "cells": ["y"]}]}])";

std::string described(const std::string& table, const std::string& test = "t/b.csv") {
  return R"({"name": "t", "licence": "none", "format": "csv", "table": {)" + table +
         R"(}, "train": {"table": "t/a.csv"}, "test": {"table": ")" + test + R"("}})";
}

TEST(TableDescription, LoadsItsFilesAndSaysTheClasses) {
  const TemporaryFolder folder;
  const auto json =
      folder.write("t.json", described(std::string(R"("separator": ";", )") + kColumns));
  folder.write("t/a.csv", "1;n\n2;y\n4;y\n");
  folder.write("t/b.csv.gz", gzip("3;n\n"));
  const DataSplit split = load_dataset(json);
  EXPECT_EQ(split.train.features, (std::vector<float>{0.5f, 1.0f, 2.0f}));
  EXPECT_EQ(split.test.labels, std::vector<int64_t>{0});
  const DatasetInfo info = find_dataset(json);
  EXPECT_THAT(info.class_names, ElementsAre("no", "yes"));
  EXPECT_EQ(info.shape, std::vector<int64_t>{1});
  LoadOptions options;
  options.train_limit = 2;
  EXPECT_EQ(load_dataset(json, options).train.size(), 2);
  options.train_limit = 4;
  EXPECT_THAT(input_error([&] { load_dataset(json, options); }), HasSubstr("outside 1..3"));
  options = {};
  options.mean = options.std = {1.0};
  EXPECT_THAT(input_error([&] { load_dataset(json, options); }), HasSubstr("one a column"));
  options = {};
  for (const char* owners : {"writer", "x", "y"}) {  // no column, a number, the label
    options.owners = owners;
    EXPECT_THAT(input_error([&] { load_dataset(json, options); }),
                HasSubstr("has no column \"" + std::string(owners) + "\" of kind"));
  }
}

TEST(TableDescription, RefusesWhatItCannotMean) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& text) {
    const auto path = folder.write("bad.json", text);
    return input_error([&] { read_dataset_info(path); });
  };
  const std::string columns = kColumns;
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string changed = columns;
    return changed.replace(changed.find(from), from.size(), to);
  };
  EXPECT_THAT(refusal(described(columns + R"(, "separator": "ab")")),
              HasSubstr("/table/separator"));
  EXPECT_THAT(refusal(described(columns, "t/a.csv")), HasSubstr("/table/test_every"));
  EXPECT_THAT(refusal(described(columns + R"(, "test_every": 5)")), HasSubstr("/test"));
  EXPECT_THAT(refusal(described(columns + R"(, "sep": ",")")), HasSubstr("/table/sep"));
  EXPECT_THAT(refusal(described(replaced(R"("std": 2)", R"("std": 0)"))),
              HasSubstr("/table/columns/0/std"));
  for (const char* bounds : {"[1]", "[2, 2]", "[3, 2]", "[0, 1, 2]", "\"wide\"", "[0, \"inf\"]"})
    EXPECT_THAT(refusal(described(replaced(R"("std": 2)", R"("bounds": )" + std::string(bounds)))),
                HasSubstr("/table/columns/0/bounds"))
        << bounds;
  EXPECT_THAT(refusal(described(replaced(R"("name": "y")", R"("name": "x")"))),
              HasSubstr("holds \"x\" twice"));
  EXPECT_THAT(refusal(described(replaced(R"(["y"])", R"(["n"])"))), HasSubstr("holds \"n\" twice"));
  EXPECT_THAT(refusal(described(replaced(R"("number", "std": 2)", R"("category", "values": [])"))),
              HasSubstr("/table/columns/0/values"));
  EXPECT_THAT(refusal(described(replaced(R"("number", "std": 2)", R"("ignore")"))),
              HasSubstr("no column of kind"));
  EXPECT_THAT(refusal(described(R"("columns": [{"name": "x", "kind": "number"}])")),
              HasSubstr("0 columns of kind \"label\" or \"target\""));
}

TEST(TableDescription, ATargetMakesItARegression) {
  const TemporaryFolder folder;
  const auto json = folder.write("t.json", described(R"("columns": [
      {"name": "x", "kind": "number"}, {"name": "y", "kind": "target", "mean": 10, "std": 5}])"));
  folder.write("t/a.csv", "1,20\n2,5\n");
  folder.write("t/b.csv", "3,10\n");
  LoadOptions options;
  options.train_limit = 1;
  const DataSplit split = load_dataset(json, options);
  EXPECT_TRUE(split.train.is_regression());
  EXPECT_EQ(split.train.targets, std::vector<float>{2.0f});
  EXPECT_EQ(split.test.size(), 1);
  EXPECT_EQ(split.test.outputs(), 1);
}

const char* real_data() { return std::getenv("STARLING_DATA"); }

// Features of real tables that are numbers have mean 0 and standard deviation 1, about.
void expect_standardised(const Dataset& data, const TableSchema& schema) {
  const auto features = schema.features();
  int64_t at = 0;
  for (const TableColumn& column : schema.columns) {
    if (column.kind == ColumnKind::number) {
      double sum = 0.0, squares = 0.0;
      for (int64_t i = 0; i < data.size(); ++i) {
        const double value = data.features[i * features + at];
        sum += value;
        squares += value * value;
      }
      const double mean = sum / static_cast<double>(data.size());
      EXPECT_NEAR(mean, 0.0, kRounding) << column.name;
      EXPECT_NEAR(squares / static_cast<double>(data.size()) - mean * mean, 1.0, kRounding)
          << column.name;
    }
    at += column.features();
  }
}

TEST(RealTables, IncomeIsAsDescribed) {
  if (!real_data() || !locate("tabular/adult.data", {real_data()}))
    GTEST_SKIP() << "no tabular/adult.data in STARLING_DATA";
  const DataSplit split = load_dataset("income");
  EXPECT_EQ(std::ranges::count(split.train.labels, 1), 7841);
  EXPECT_EQ(std::ranges::count(split.test.labels, 1), 3846);
  expect_standardised(split.train, find_dataset("income").table);
}

// The official file, from a copy in which the diagnosis is written as two columns at the end.
std::string official_wdbc(const std::string& copy) {
  std::string official;
  CsvReader reader(copy, {',', "#"});
  while (reader.next()) {
    const auto& cells = reader.cells();
    official += cells[0].text + (cells[31].text == "1" ? ",M" : ",B");
    for (size_t i = 1; i <= 30; ++i) official += "," + cells[i].text;
    official += "\n";
  }
  return official;
}

TEST(RealTables, BreastCancerIsAsDescribed) {
  const auto copy = real_data() ? locate("tabular/wdbc.data", {real_data()}) : std::nullopt;
  if (!copy) GTEST_SKIP() << "no tabular/wdbc.data in STARLING_DATA";
  const DatasetInfo info = find_dataset("breast-cancer");
  const std::string official = official_wdbc(*copy);
  ASSERT_EQ(sha256_hex(official), info.files[0].sha256);
  const TemporaryFolder folder;
  folder.write(info.files[0].file, official);
  LoadOptions options;
  options.folder = folder.path();
  const DataSplit split = load_dataset("breast-cancer", options);
  EXPECT_EQ(std::ranges::count(split.train.labels, 1) + std::ranges::count(split.test.labels, 1),
            212);
  TableSchema all = info.table;
  all.test_every = 0;
  expect_standardised(parse_table(official, "t", all), all);
}

}  // namespace
}  // namespace starling
