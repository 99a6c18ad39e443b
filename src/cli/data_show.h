#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "starling/data/catalogue.h"
#include "starling/report/image.h"

namespace starling::cli {

// Indices of `each` examples of every class, class by class; fewer where there are not so many.
std::vector<std::vector<int64_t>> samples_by_class(const PixelSet& set, int64_t each);

// One line a class: name, count and a bar.
std::string class_counts(const std::vector<int64_t>& labels, const std::vector<std::string>& names);

// One line a column of a table: what it is, how it is read, and its first cells.
std::string column_table(const TableSchema& schema,
                         const std::vector<std::vector<std::string>>& records);

// "y = 2 x + 1, noise of standard deviation 0.1".
std::string law_text(const LinearLaw& law);

// One line an example: its class, and the phrase in words.
std::string phrase_lines(const DatasetInfo& info, const Dataset& data, int64_t count);

// One line an example of a regression: features and target.
std::string numbers_table(const Dataset& data, int64_t count);

// Samples drawn with characters, side by side as far as `columns` reach: half blocks in grey or in
// colour, or a ramp of ASCII characters.
std::string draw_samples(const PixelSet& set, const std::vector<int64_t>& indices,
                         const std::vector<std::string>& names, int64_t columns, bool colour);

// One row a class, every pixel `scale` times as large.
Image contact_sheet(const PixelSet& set, const std::vector<std::vector<int64_t>>& samples,
                    int64_t scale);

}  // namespace starling::cli
