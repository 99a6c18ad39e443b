// Reads the #include lines of the tree and holds them to the direction of dependencies:
// core <- {privacy, data, report} <- nn <- train <- federated <- experiment <- cli.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {}},
    {"privacy", {"core"}},
    {"data", {"core"}},
    {"report", {"core"}},
    {"nn", {"core", "data"}},
    {"train", {"core", "data", "nn", "privacy"}},
    {"federated", {"core", "data", "nn", "privacy", "train"}},
    {"experiment", {"core", "data", "federated", "nn", "privacy", "report", "train"}},
    {"cli", {"core", "data", "experiment", "federated", "nn", "privacy", "report", "train"}},
};
const std::set<std::string> kTorchFree = {"core", "privacy", "data", "report"};
constexpr int kMostFilesWithTorchNn = 25;

struct Include {
  std::string file;    // relative to the tree
  std::string folder;  // the room that the file is in
  std::string target;  // what stands between the quotes or brackets
};

std::string room_of(const fs::path& relative) {
  auto part = relative.begin();
  if (*part == "include") ++part;  // include/starling/<room>/...
  return (++part)->string();
}

std::vector<Include> all_includes() {
  const fs::path root = STARLING_SOURCE_DIR;
  const std::regex line_form(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<Include> found;
  for (const char* top : {"include/starling", "src"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      if (entry.path().extension() != ".h" && entry.path().extension() != ".cpp") continue;
      const auto relative = fs::relative(entry.path(), root);
      std::ifstream file(entry.path());
      std::smatch match;
      for (std::string line; std::getline(file, line);)
        if (std::regex_search(line, match, line_form))
          found.push_back({relative.string(), room_of(relative), match[1]});
    }
  }
  return found;
}

// The room that an include leads to, or "" for one outside the tree.
std::string target_room(const std::string& target) {
  const std::string path =
      target.rfind("starling/", 0) == 0 ? target.substr(std::string("starling/").size()) : target;
  const std::string room = path.substr(0, path.find('/'));
  return path.find('/') != std::string::npos && kMayInclude.count(room) != 0 ? room : "";
}

TEST(Layers, EveryIncludeFollowsTheDirectionOfDependencies) {
  const auto includes = all_includes();
  ASSERT_GT(includes.size(), 300u);
  for (const auto& include : includes) {
    ASSERT_EQ(kMayInclude.count(include.folder), 1u) << include.file << " is in an unknown room";
    const std::string room = target_room(include.target);
    if (room.empty() || room == include.folder) continue;
    EXPECT_EQ(kMayInclude.at(include.folder).count(room), 1u)
        << include.file << " includes " << include.target;
  }
}

TEST(Layers, CorePrivacyDataAndReportAreFreeOfLibTorch) {
  for (const auto& include : all_includes()) {
    if (kTorchFree.count(include.folder) == 0) continue;
    for (const char* prefix : {"torch/", "ATen/", "c10/"})
      EXPECT_NE(include.target.rfind(prefix, 0), 0u)
          << include.file << " includes " << include.target;
  }
}

TEST(Layers, FewFilesPayForTorchNn) {
  std::set<std::string> files;
  for (const auto& include : all_includes())
    if (include.target.rfind("torch/nn", 0) == 0 || include.target == "torch/torch.h")
      files.insert(include.file);
  EXPECT_LE(files.size(), static_cast<size_t>(kMostFilesWithTorchNn));
}

}  // namespace
