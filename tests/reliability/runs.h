#pragma once
// Runs of one experiment in a folder of the test's own, as a user starts and resumes them: each on
// one thread, with its key beside its folder, and what it said in <out>.out.

#include <gtest/gtest.h>

#include "cli/program.h"
#include "reliability/child.h"
#include "starling/core/json.h"

namespace starling::reliability {

using Words = std::vector<std::string>;

inline Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Runs : public ::testing::Test {
 protected:
  Runs(const std::string& name, const char* experiment) : folder_(name) {
    folder_.write("experiment.json", experiment);
  }

  Words command(const std::string& out, const Words& more = {}) const {
    return Words{STARLING_PROGRAM, "run", folder_ / "experiment.json", "--out", folder_ / out} +
           common(out) + more;
  }
  Words resumption(const std::string& out, const Words& more = {}) const {
    return Words{STARLING_PROGRAM, "run", "--resume", folder_ / out} + common(out) + more;
  }
  ChildOptions said(const std::string& out) const {
    ChildOptions options;
    options.output = folder_ / (out + ".out");
    return options;
  }
  std::string text(const std::string& name) const { return contents(folder_ / name); }
  Json record(const std::string& out) const { return read_json(folder_ / (out + "/run.json")); }

  // Makes a table beside the experiment, and says what turns a private run into one of it whose
  // columns are standardised privately.
  Words private_columns() const {
    std::string table;
    for (int i = 0; i < 300; ++i)
      table += std::to_string(i % 37) + "," + (i % 5 == 0 ? "?" : std::to_string(i % 11)) + "," +
               (i % 37 > 18 ? "y" : "n") + "\n";
    folder_.write("table.csv", table);
    folder_.write("table.json", R"({"name": "t", "licence": "none", "format": "csv",
      "table": {"missing": ["?"], "test_every": 4, "columns": [
        {"name": "a", "kind": "number", "bounds": [0, 36]},
        {"name": "b", "kind": "number", "bounds": [0, 10], "missing": "mean"},
        {"name": "c", "kind": "label", "classes": [{"name": "no", "cells": ["n"]},
                                                   {"name": "yes", "cells": ["y"]}]}]},
      "train": {"table": "table.csv"}, "test": {"table": "table.csv"}})");
    return {"--set", R"(/model={"layers": [{"kind": "linear"}]})", "--set",
            R"(/dataset={"name": "table.json", "standardization": {"kind": "private"}})"};
  }

  // Files that a run does not write are absent from both.
  void expect_same(const std::string& a, const std::string& b) const {
    for (const char* name : {"/model.safetensors", "/rounds.csv", "/ledger.jsonl", "/training.csv",
                             "/communication.csv", "/clients.csv"})
      EXPECT_EQ(text(a + name), text(b + name)) << b << name;
    for (const char* part : {"privacy", "columns"})
      EXPECT_EQ(record(a)[part], record(b)[part]) << b << " " << part;
  }

  testing::Folder folder_;

 private:
  Words common(const std::string& out) const {
    return {"--threads", "1", "--key-file", folder_ / (out + ".key")};
  }
};

}  // namespace starling::reliability
