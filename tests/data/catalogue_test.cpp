#include "starling/data/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "data/idx_files.h"
#include "starling/core/error.h"
#include "starling/data/partition.h"

namespace starling {
namespace {

using namespace testing_files;
using testing::AllOf;
using testing::HasSubstr;

template <class Call>
std::string input_error(Call call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

// A description of twenty training and ten test images of 4 x 3.
std::string description(const std::string& extra = "") {
  return R"({"name": "tiny", "licence": "none", "format": "idx", "shape": [1, 4, 3], "classes": 10,
    "mean": [0.5], "std": [0.25],
    "train": {"examples": 20, "images": "tiny/a.gz", "labels": "tiny/b.gz"},
    "test": {"images": "tiny/c.gz", "labels": "tiny/d.gz"})" +
         extra + "}";
}

class Catalogue : public testing::Test {
 protected:
  Catalogue() { folder_.write("tiny.json", description()); }
  void write_data() {
    folder_.write("tiny/a.gz", gzip(idx_images(20)));
    folder_.write("tiny/b.gz", gzip(idx_labels(20)));
    folder_.write("tiny/c", idx_images(10));
    folder_.write("tiny/d", idx_labels(10));
  }
  std::string json() const { return folder_.path("tiny.json"); }
  std::string refusal(const std::string& text) {
    const auto path = folder_.write("bad.json", text);
    return input_error([&] { read_dataset_info(path); });
  }
  TemporaryFolder folder_;
};

TEST_F(Catalogue, EveryShippedDescriptionIsCompleteAndConsistent) {
  const auto all = list_datasets();
  std::set<std::string> names;
  for (const DatasetInfo& info : all) {
    SCOPED_TRACE(info.name);
    EXPECT_TRUE(names.insert(info.name).second);
    EXPECT_FALSE(info.title.empty());
    EXPECT_FALSE(info.licence.empty());
    EXPECT_GT(info.train.examples, 0);
    EXPECT_GT(info.test.examples, 0);
    if (has_images(info.format)) {
      EXPECT_EQ(info.normalization.mean.size(), static_cast<size_t>(info.shape[0]));
    }
    EXPECT_EQ(info.normalization.standard_deviation.size(), info.normalization.mean.size());
    std::set<std::string> files;
    for (const RemoteFile& file : info.files) {
      files.insert(file.file);
      EXPECT_TRUE(file.sha256) << file.file;
      EXPECT_TRUE(file.bytes || !file.member.empty()) << file.file;
      EXPECT_NE(file.urls.empty(), file.member.empty()) << file.file;
    }
    for (const SplitFiles& split : {info.train, info.test}) {
      for (const std::string& file : {split.images, split.labels, split.writers, split.table}) {
        EXPECT_TRUE(file.empty() || files.count(file)) << file;
      }
      for (const std::string& file : split.records) EXPECT_TRUE(files.count(file)) << file;
    }
  }
  for (const char* name :
       {"mnist", "fashion-mnist", "kmnist", "emnist-balanced", "emnist-letters", "emnist-digits",
        "cifar-10", "digits", "income", "breast-cancer", "linear", "machine-wear", "phrases"}) {
    EXPECT_TRUE(names.count(name)) << name;
  }
}

TEST_F(Catalogue, TheDescriptionOfDigitsAgreesWithTheGenerator) {
  for (const DatasetInfo& info : list_datasets()) {
    if (info.name != "digits") continue;
    EXPECT_EQ(info.normalization.mean, std::vector<double>{kDigitsMean});
    EXPECT_EQ(info.normalization.standard_deviation, std::vector<double>{kDigitsStandardDeviation});
    EXPECT_EQ(info.train.examples, kDigitsTrain);
    EXPECT_EQ(info.test.examples, kDigitsTest);
    EXPECT_EQ(info.shape, find_dataset("digits").shape);
  }
}

TEST_F(Catalogue, DigitsNeedNoFilesAndTheLimitIsTheNumberDrawn) {
  LoadOptions options;
  options.train_limit = 50;
  options.test_limit = 20;
  const DataSplit split = load_dataset("digits", options);
  EXPECT_EQ(split.train.size(), 50);
  EXPECT_EQ(split.test.size(), 20);
  EXPECT_EQ(split.train.features, make_digits(50, 20).train.features);
  options.seed = 2;
  EXPECT_NE(load_dataset("digits", options).train.features, split.train.features);
}

TEST_F(Catalogue, LoadsADescriptionWithItsFilesPlainOrGzip) {
  write_data();
  const DataSplit split = load_dataset(json());
  EXPECT_EQ(split.train.size(), 20);
  EXPECT_EQ(split.test.size(), 10);
  EXPECT_EQ(split.train.classes, 10);
  EXPECT_NEAR(split.train.features[5], (5.0 / 255.0 - 0.5) / 0.25, 1e-6);
}

TEST_F(Catalogue, LimitsTakeTheFirstAndConstantsCanBeReplaced) {
  write_data();
  LoadOptions options;
  options.train_limit = 3;
  options.mean = {0.0};
  options.std = {1.0};
  const DataSplit split = load_dataset(json(), options);
  EXPECT_EQ(split.train.labels, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_NEAR(split.train.features[5], 5.0 / 255.0, 1e-6);
  options.std.reset();
  EXPECT_THAT(input_error([&] { load_dataset(json(), options); }), HasSubstr("both mean and std"));
  options = {};
  options.train_limit = 21;
  EXPECT_THAT(input_error([&] { load_dataset(json(), options); }),
              HasSubstr("a limit of 21 is outside 1..20"));
}

TEST_F(Catalogue, TheNamedFolderComesFirst) {
  write_data();
  TemporaryFolder other;
  other.write("tiny/d", idx_labels(10, 2));
  LoadOptions options;
  options.folder = other.path();
  EXPECT_EQ(load_dataset(json(), options).test.labels[2], 0);
  EXPECT_EQ(load_dataset(json()).test.labels[2], 2);
}

TEST_F(Catalogue, MissingFilesNameTheFileThePlacesAndTheRemedy) {
  EXPECT_THAT(input_error([&] { load_dataset(json()); }),
              AllOf(HasSubstr("dataset tiny: tiny/a.gz is not in"), HasSubstr(folder_.path()),
                    HasSubstr("put it there")));
  folder_.write("tiny.json",
                description(R"(, "files": [{"file": "tiny/a.gz", "urls": ["file:///no"]}])"));
  EXPECT_THAT(input_error([&] { load_dataset(json()); }), HasSubstr("starling data fetch tiny"));
}

TEST_F(Catalogue, ADescriptionInTheWorkingFolderFindsItsFiles) {
  write_data();
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  for (const char* name : {"tiny.json", "./tiny.json", "tiny/../tiny.json"})
    EXPECT_EQ(load_dataset(name).train.size(), 20) << name;
  std::filesystem::current_path(before);
}

TEST_F(Catalogue, DataThatAreNotAsDescribedAreRefused) {
  write_data();
  folder_.write("tiny/a.gz", gzip(idx_images(20, 3, 4)));
  EXPECT_THAT(input_error([&] { load_dataset(json()); }), HasSubstr("described shape"));
  folder_.write("tiny/a.gz", gzip(idx_images(19)));
  folder_.write("tiny/b.gz", gzip(idx_labels(19)));
  EXPECT_THAT(input_error([&] { load_dataset(json()); }), HasSubstr("has 19 examples"));
}

TEST_F(Catalogue, WritersOfASetWithoutThemAreRefused) {
  write_data();
  LoadOptions options;
  options.owners = "writer";
  EXPECT_THAT(input_error([&] { load_dataset(json(), options); }), HasSubstr("who made each"));
  options.owners = "city";
  EXPECT_THAT(input_error([&] { load_dataset(json(), options); }),
              HasSubstr("does not record the \"city\""));
}

TEST_F(Catalogue, UnknownNamesSuggestTheNearest) {
  EXPECT_THAT(input_error([] { find_dataset("mnits"); }),
              AllOf(HasSubstr("\"mnits\" is unknown"), HasSubstr("did you mean \"mnist\"")));
}

TEST_F(Catalogue, path_traversal_InDescriptionsIsRefused) {
  for (const char* path : {"../x", "/etc/passwd", "a/../../x", "a\\u0000b", ""}) {
    std::string text = description();
    text.replace(text.find("tiny/a.gz"), 9, path);
    EXPECT_THAT(refusal(text), AllOf(HasSubstr("/train/images"), HasSubstr("not a relative path")));
  }
  std::string text = description();
  text.replace(text.find("tiny/a.gz"), 9, std::string(4096, 'x'));
  EXPECT_THAT(refusal(text), HasSubstr("not a relative path"));
}

TEST_F(Catalogue, WrongDescriptionsNameTheirPointer) {
  EXPECT_THAT(refusal(description(R"(, "shapes": 1)")), HasSubstr("shapes"));
  EXPECT_THAT(refusal(description(R"(, "class_names": ["a"])")), HasSubstr("/class_names"));
  EXPECT_THAT(refusal(description(R"(, "files": [{"file": "x", "sha256": "12", "urls": []}])")),
              HasSubstr("/files/0/sha256"));
  EXPECT_THAT(refusal("{"), HasSubstr("bad.json"));
}

class RealData : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("STARLING_DATA");
    if (!folder || !locate("mnist/train-images-idx3-ubyte.gz", {folder})) {
      GTEST_SKIP() << "STARLING_DATA does not hold the real data sets.";
    }
  }
  static void expect_moments(const Dataset& data, double mean, double deviation) {
    double sum = 0.0, square = 0.0;
    for (float value : data.features) {
      sum += value;
      square += static_cast<double>(value) * value;
    }
    const double m = sum / data.features.size();
    EXPECT_NEAR(m, mean, 1e-4);
    EXPECT_NEAR(std::sqrt(square / data.features.size() - m * m), deviation, 1e-4);
  }
};

TEST_F(RealData, MnistAndFashionHaveTheirPublishedMeans) {
  LoadOptions raw;
  raw.mean = {0.0};
  raw.std = {1.0};
  const DataSplit mnist = load_dataset("mnist", raw);
  EXPECT_EQ(mnist.train.size(), 60000);
  EXPECT_EQ(mnist.test.size(), 10000);
  expect_moments(mnist.train, 0.1307, 0.3081);
  expect_moments(load_dataset("fashion-mnist", raw).train, 0.2860, 0.3530);
}

TEST_F(RealData, MnistHasAWriterAnImage) {
  if (!locate("qmnist-writer-ids/qmnist-train-labels-idx2-int.gz",
              {std::getenv("STARLING_DATA")})) {
    GTEST_SKIP() << "STARLING_DATA does not hold the writer ids.";
  }
  LoadOptions options;
  options.owners = "writer";
  const DataSplit mnist = load_dataset("mnist", options);
  auto stream = RandomStream(RandomKey::from_seed(1), {Purpose::partition});
  const Partition train = make_partition(NaturalPartition{}, mnist.train, stream);
  EXPECT_EQ(train.clients.size(), 539u);
  EXPECT_EQ(train.examples(), 60000);
  EXPECT_EQ(partition_natural(mnist.test.owners).clients.size(), 297u);
  auto sizes = train.sizes();
  std::sort(sizes.begin(), sizes.end());
  EXPECT_EQ(sizes.front(), 19);
  EXPECT_EQ(sizes.back(), 131);
  EXPECT_EQ(sizes[sizes.size() / 2], 116);
}

}  // namespace
}  // namespace starling
