#include "cli/data_show.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <sstream>

namespace starling::cli {
namespace {

constexpr std::string_view kRamp = " .:-=+*#%@";
constexpr int64_t kWanted = 5;  // samples side by side
constexpr int64_t kBarLength = 40;
constexpr int64_t kNumbersShown = 8;
constexpr size_t kClassWidth = 12, kNameWidth = 24, kKindWidth = 10, kMeaningWidth = 30;

using Colour = std::array<int, 3>;

std::string fitted(std::string text, size_t width) {
  text.resize(width, ' ');
  return text;
}

// The mean of a square of `factor` pixels, in each of three channels.
Colour mean_at(const PixelSet& set, int64_t image, int64_t row, int64_t column, int64_t factor) {
  const int64_t channels = set.shape[0], height = set.shape[1], width = set.shape[2];
  Colour colour{};
  for (int64_t c = 0; c < 3; ++c) {
    const int64_t plane = (image * channels + std::min(c, channels - 1)) * height * width;
    int64_t sum = 0, count = 0;
    for (int64_t y = row * factor; y < std::min(height, (row + 1) * factor); ++y) {
      for (int64_t x = column * factor; x < std::min(width, (column + 1) * factor); ++x, ++count) {
        sum += set.pixels[plane + y * width + x];
      }
    }
    colour[c] = count ? static_cast<int>(sum / count) : 0;
  }
  return colour;
}

std::string escape(const char* kind, const Colour& colour) {
  std::string code = "\x1b[";
  code.append(kind);
  for (int value : colour) code.append(";").append(std::to_string(value));
  return code.append("m");
}

// Two pixels, one above the other, as one character.
std::string cell(const Colour& above, const Colour& below, bool colour) {
  if (colour) return escape("38;2", above) + escape("48;2", below) + "\u2580";
  const int sum = above[0] + above[1] + above[2] + below[0] + below[1] + below[2];
  return std::string(1, kRamp[static_cast<size_t>(sum) * kRamp.size() / (6 * 255 + 1)]);
}

std::string kind_of(const TableColumn& column) {
  switch (column.kind) {
    case ColumnKind::number:
      return "number";
    case ColumnKind::category:
      return "category";
    case ColumnKind::label:
      return "label";
    case ColumnKind::target:
      return "target";
    case ColumnKind::ignore:
      return "ignore";
  }
  return "";
}

std::string short_number(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

// Public bounds, for private standardisation.
std::string bounds_of(const TableColumn& column) {
  if (!column.bounds) return "";
  return ", " + short_number(column.bounds->lower) + ".." + short_number(column.bounds->upper);
}

std::string meaning_of(const TableColumn& column) {
  switch (column.kind) {
    case ColumnKind::number:
    case ColumnKind::target:
      return "(x - " + short_number(column.mean) + ") / " + short_number(column.std) +
             bounds_of(column);
    case ColumnKind::category:
      return std::to_string(column.features()) + " features";
    case ColumnKind::label:
      return std::to_string(column.classes.size()) + " classes";
    case ColumnKind::ignore:
      return "-";
  }
  return "";
}

// A cell as a terminal may show it.
std::string harmless(const std::string& cell) {
  const std::string quoted = quoted_cell(cell);
  return quoted.substr(1, quoted.size() - 2);
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

std::vector<std::vector<int64_t>> samples_by_class(const PixelSet& set, int64_t each) {
  std::vector<std::vector<int64_t>> samples(set.classes);
  for (int64_t i = 0; i < set.size(); ++i) {
    auto& own = samples[set.labels[i]];
    if (static_cast<int64_t>(own.size()) < each) own.push_back(i);
  }
  return samples;
}

std::string class_counts(const std::vector<int64_t>& labels,
                         const std::vector<std::string>& names) {
  std::vector<int64_t> counts(names.size(), 0);
  for (int64_t label : labels) ++counts[label];
  const int64_t largest = std::max<int64_t>(1, *std::max_element(counts.begin(), counts.end()));
  std::string text;
  for (size_t c = 0; c < names.size(); ++c) {
    std::string bar;
    for (int64_t i = 0; i < divide_up(counts[c] * kBarLength, largest); ++i) bar += "\u2588";
    std::string count = std::to_string(counts[c]);
    count.insert(0, count.size() < 7 ? 7 - count.size() : 0, ' ');
    text += "  " + fitted(names[c], kClassWidth) + count + "  " + bar + "\n";
  }
  return text;
}

std::string draw_samples(const PixelSet& set, const std::vector<int64_t>& indices,
                         const std::vector<std::string>& names, int64_t columns, bool colour) {
  const int64_t factor = std::max<int64_t>(1, divide_up(set.shape[2] * kWanted, columns));
  const int64_t width = divide_up(set.shape[2], factor), height = divide_up(set.shape[1], factor);
  const int64_t across = std::max<int64_t>(1, columns / (width + 1));
  std::string text;
  for (size_t from = 0; from < indices.size(); from += across) {
    const size_t to = std::min(indices.size(), from + across);
    for (size_t k = from; k < to; ++k) text += fitted(names[set.labels[indices[k]]], width + 1);
    text += "\n";
    for (int64_t row = 0; row < height; row += 2) {
      for (size_t k = from; k < to; ++k) {
        for (int64_t column = 0; column < width; ++column) {
          text += cell(mean_at(set, indices[k], row, column, factor),
                       mean_at(set, indices[k], row + 1, column, factor), colour);
        }
        text += colour ? "\x1b[0m " : " ";
      }
      text += "\n";
    }
  }
  return text;
}

std::string column_table(const TableSchema& schema,
                         const std::vector<std::vector<std::string>>& records) {
  std::string text = "  " + fitted("COLUMN", kNameWidth) + fitted("KIND", kKindWidth) +
                     fitted("READ AS", kMeaningWidth) + "FIRST RECORDS\n";
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    const TableColumn& column = schema.columns[i];
    text += "  " + fitted(column.name, kNameWidth) + fitted(kind_of(column), kKindWidth) +
            fitted(meaning_of(column), kMeaningWidth);
    std::string cells;
    for (const auto& record : records) cells += (cells.empty() ? "" : ", ") + harmless(record[i]);
    text += cells + "\n";
  }
  return text;
}

std::string law_text(const LinearLaw& law) {
  std::string text = "y = ";
  for (size_t j = 0; j < law.weights.size(); ++j) {
    const double weight = law.weights[j];
    text += (j == 0       ? ""
             : weight < 0 ? " - "
                          : " + ") +
            short_number(j == 0 ? weight : std::abs(weight)) + " x" +
            (law.weights.size() == 1 ? "" : std::to_string(j + 1));
  }
  return text + (law.bias < 0 ? " - " : " + ") + short_number(std::abs(law.bias)) +
         ", noise of standard deviation " + short_number(law.noise);
}

std::string numbers_table(const Dataset& data, int64_t count) {
  std::string text;
  const int64_t size = data.example_size();
  for (int64_t i = 0; i < std::min(count, data.size()); ++i) {
    text += "  x";
    for (int64_t j = 0; j < std::min(size, kNumbersShown); ++j)
      text += " " + short_number(data.features[static_cast<size_t>(i * size + j)]);
    text += (size > kNumbersShown ? " ...   y " : "   y ") +
            short_number(data.targets[static_cast<size_t>(i)]) + "\n";
  }
  return text;
}

std::string phrase_lines(const DatasetInfo& info, const Dataset& data, int64_t count) {
  const auto vocabulary = vocabulary_of(info.grammar);
  const auto length = static_cast<size_t>(data.example_size());
  std::string text;
  for (int64_t i = 0; i < std::min(count, data.size()); ++i) {
    const auto ids = std::span(data.features).subspan(static_cast<size_t>(i) * length, length);
    text += "  " + fitted(info.class_names[static_cast<size_t>(data.labels[i])], kClassWidth) +
            phrase_text(ids, vocabulary) + "\n";
  }
  return text;
}

Image contact_sheet(const PixelSet& set, const std::vector<std::vector<int64_t>>& samples,
                    int64_t scale) {
  const int64_t channels = set.shape[0], height = set.shape[1], width = set.shape[2];
  size_t longest = 1;
  for (const auto& row : samples) longest = std::max(longest, row.size());
  Image sheet{static_cast<int64_t>(longest) * width * scale,
              static_cast<int64_t>(samples.size()) * height * scale,
              channels == 3 ? 3 : 1,
              {}};
  sheet.pixels.resize(sheet.width * sheet.height * sheet.channels);
  for (int64_t y = 0; y < sheet.height; ++y) {
    const auto& row = samples[y / (height * scale)];
    for (int64_t x = 0; x < static_cast<int64_t>(row.size()) * width * scale; ++x) {
      const int64_t image = row[x / (width * scale)] * channels;
      const int64_t at = y / scale % height * width + x / scale % width;
      for (int64_t c = 0; c < sheet.channels; ++c) {
        sheet.pixels[(y * sheet.width + x) * sheet.channels + c] =
            set.pixels[(image + c) * height * width + at];
      }
    }
  }
  return sheet;
}

}  // namespace starling::cli
