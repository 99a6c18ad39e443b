// Files whose contents are labelled images: IDX pairs, QMNIST's label table, CIFAR-10's records.

#include <algorithm>

#include "starling/core/error.h"
#include "starling/data/gzip.h"
#include "starling/data/idx.h"

namespace starling {
namespace {

constexpr int64_t kQmnistColumns = 8;
constexpr int64_t kQmnistWriter = 2;
constexpr int64_t kCifarSide = 32;
constexpr size_t kCifarImage = 3 * kCifarSide * kCifarSide;
constexpr size_t kCifarRecord = 1 + kCifarImage;

void expect(const IdxFile& idx, const std::string& path, IdxType type, size_t dimensions,
            const std::string& what) {
  if (idx.type == type && idx.shape.size() == dimensions) return;
  throw InputError(path, "holds " + std::to_string(idx.shape.size()) +
                             "-dimensional data of type " +
                             std::to_string(static_cast<int>(idx.type)) + "; expected " + what);
}

std::vector<int64_t> read_labels(const std::string& path, const IdxLayout& layout) {
  const IdxFile idx = read_idx(path);
  expect(idx, path, IdxType::uint8, 1, "labels: one dimension of type 8");
  std::vector<int64_t> labels(idx.size());
  for (int64_t i = 0; i < idx.size(); ++i) {
    labels[i] = idx.at(i) - layout.first_label;
    if (labels[i] >= 0 && labels[i] < layout.classes) continue;
    throw InputError(path, "label " + std::to_string(i) + " is " + std::to_string(idx.at(i)) +
                               "; allowed are " + std::to_string(layout.first_label) + ".." +
                               std::to_string(layout.first_label + layout.classes - 1));
  }
  return labels;
}

std::vector<uint8_t> transpose_each(const std::vector<uint8_t>& pixels, int64_t rows,
                                    int64_t columns) {
  std::vector<uint8_t> result(pixels.size());
  const int64_t plane = rows * columns;
  const int64_t images = static_cast<int64_t>(pixels.size()) / plane;
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t i = 0; i < plane; ++i) {
      result[image * plane + i % columns * rows + i / columns] = pixels[image * plane + i];
    }
  }
  return result;
}

void append_cifar10(const std::string& path, PixelSet& set) {
  DataFile file(path);
  std::vector<uint8_t> record(kCifarRecord);
  const int64_t before = set.size();
  for (;;) {
    const size_t got = file.read(record);
    if (got == 0) break;
    const int64_t index = set.size() - before;
    if (got < kCifarRecord) {
      throw InputError(path, "record " + std::to_string(index) + ": expected 3073 bytes, found " +
                                 std::to_string(got));
    }
    if (record[0] >= set.classes) {
      throw InputError(path, "label " + std::to_string(index) + " is " + std::to_string(record[0]) +
                                 "; allowed are 0..9");
    }
    set.labels.push_back(record[0]);
    set.pixels.insert(set.pixels.end(), record.begin() + 1, record.end());
  }
  if (set.size() == before) throw InputError(path, "is an empty data set");
}

}  // namespace

PixelSet read_idx_images(const std::string& images, const std::string& labels,
                         const std::string& name, const IdxLayout& layout) {
  IdxFile idx = read_idx(images);
  expect(idx, images, IdxType::uint8, 3, "images: three dimensions of type 8");
  PixelSet set{name, {1, idx.shape[1], idx.shape[2]}, layout.classes, {}, {}, {}};
  set.labels = read_labels(labels, layout);
  if (set.size() != idx.shape[0]) {
    throw InputError(labels, "has " + std::to_string(set.size()) + " labels and " + images +
                                 " has " + std::to_string(idx.shape[0]) +
                                 " images; the two belong to different sets");
  }
  set.pixels = std::move(idx.bytes);
  if (layout.transposed) {
    set.pixels = transpose_each(set.pixels, set.shape[1], set.shape[2]);
    std::swap(set.shape[1], set.shape[2]);
  }
  return set;
}

std::vector<int64_t> read_qmnist_writers(const std::string& path,
                                         const std::vector<int64_t>& labels) {
  const IdxFile idx = read_idx(path);
  expect(idx, path, IdxType::int32, 2, "a table: two dimensions of type 12");
  const auto count = static_cast<int64_t>(labels.size());
  if (idx.shape[1] != kQmnistColumns || idx.shape[0] < count) {
    throw InputError(path, "has " + std::to_string(idx.shape[0]) + " rows of " +
                               std::to_string(idx.shape[1]) + " columns; expected at least " +
                               std::to_string(count) + " rows of 8");
  }
  std::vector<int64_t> writers(count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = idx.at(i * kQmnistColumns);
    if (label != labels[i]) {
      throw InputError(path, "row " + std::to_string(i) + " says class " + std::to_string(label) +
                                 " and the image's label is " + std::to_string(labels[i]) +
                                 "; the table belongs to other images");
    }
    writers[i] = idx.at(i * kQmnistColumns + kQmnistWriter);
  }
  return writers;
}

PixelSet read_cifar10(const std::vector<std::string>& paths, const std::string& name) {
  PixelSet set{name, {3, kCifarSide, kCifarSide}, 10, {}, {}, {}};
  for (const std::string& path : paths) append_cifar10(path, set);
  return set;
}

}  // namespace starling
