#include "experiment/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace starling::experiment {
namespace {

std::map<std::string, Exposure> columns_of(const Table& table) {
  std::map<std::string, Exposure> columns;
  for (const auto& column : table.columns) columns[column.name] = column.exposure;
  return columns;
}

TEST(Metrics, log_hygiene_PrivateOnesAreTaggedSo) {
  for (const char* name : {"examples", "train_loss", "clipped", "non_finite"})
    EXPECT_EQ(columns_of(training_table()).at(name), Exposure::secret) << name;
  for (const char* name : {"examples", "accuracy", "loss"})
    EXPECT_EQ(columns_of(clients_table()).at(name), Exposure::secret) << name;
  for (const char* name : {"test_accuracy", "test_loss", "test_auc", "test_f1", "attack_success"})
    EXPECT_EQ(columns_of(rounds_table()).at(name), Exposure::paid) << name;
}

TEST(Metrics, log_hygiene_TheirTablesAreTheOwnersAloneInADpRun) {
  for (const Table* table : all_tables()) {
    SCOPED_TRACE(table->file);
    EXPECT_EQ(table->mode(false), 0644u);
    EXPECT_EQ(table->name(false), table->file);
    EXPECT_EQ(table->mode(true), table->holds_secrets() ? 0600u : 0644u);
    EXPECT_EQ(table->name(true).rfind("private", 0) == 0, table->holds_secrets());
    EXPECT_EQ(table->private_file != nullptr, table->holds_secrets());
  }
}

TEST(Metrics, HeadersNameTheColumns) {
  EXPECT_EQ(timings_table().header(), "round,seconds");
  EXPECT_EQ(training_table().header(), "round,steps,examples,train_loss,clipped,non_finite");
}

}  // namespace
}  // namespace starling::experiment
