#pragma once
// IDX files, the format of MNIST and its relatives, plain or gzip: two zero bytes, a type, the
// number of dimensions, each extent as a big-endian 32-bit number, then the values, last index
// fastest. Sizes are checked before memory is taken, and the data must end where the header says.

#include <cstdint>
#include <string>
#include <vector>

#include "starling/data/pixels.h"

namespace starling {

enum class IdxType : uint8_t { uint8 = 0x08, int32 = 0x0c };

struct IdxFile {
  IdxType type;
  std::vector<int64_t> shape;  // one to four extents, each at least 1
  std::vector<uint8_t> bytes;  // the values as stored

  int64_t size() const;         // product of shape
  int64_t at(int64_t i) const;  // value i in storage order; i in 0..size()-1
};

// Errors: InputError naming the file and, where sizes differ, the bytes expected and found: not
// IDX, a type other than unsigned byte and 32-bit integer, no or more than four dimensions, an
// extent of 0, more than 4 GiB, data that are too short or too long, damaged gzip. Error where it
// cannot be opened.
IdxFile read_idx(const std::string& path);
// The same of bytes in memory, which `name` names in errors.
IdxFile parse_idx(std::string bytes, const std::string& name);

// How a data set stores its images and labels.
struct IdxLayout {
  int64_t classes = 10;
  int64_t first_label = 0;  // the stored value of class 0
  bool transposed = false;  // columns first, as EMNIST has them
};

// Images [n, height, width] and labels [n]. Errors: as above, and InputError where the counts
// differ or a label is outside the classes, naming file and index.
PixelSet read_idx_images(const std::string& images, const std::string& labels,
                         const std::string& name, const IdxLayout& layout);

// The person who wrote each of the images, from the label table of QMNIST (Yadav and Bottou 2019,
// arXiv 1905.10498): int32 [at least as many, 8], column 0 the class, column 2 the writer.
// Errors: InputError where a class differs from `labels`: the table is of other images.
std::vector<int64_t> read_qmnist_writers(const std::string& path,
                                         const std::vector<int64_t>& labels);

// Files of the binary version of CIFAR-10, one after the other: records of a label byte and 3 x 32
// x 32 pixels. Errors: InputError where a file is not a whole number of records or a label is
// above 9.
PixelSet read_cifar10(const std::vector<std::string>& paths, const std::string& name);

}  // namespace starling
