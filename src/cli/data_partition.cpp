// `starling data partition`: how an experiment deals out its examples.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <set>

#include "cli/commands.h"
#include "cli/label_chart.h"
#include "cli/options.h"
#include "starling/core/files.h"
#include "starling/data/catalogue.h"
#include "starling/experiment/experiment.h"

namespace starling::cli {
namespace {

constexpr size_t kRowsShown = 20;
constexpr size_t kColumnsShown = 12;

cxxopts::Options flags() {
  cxxopts::Options options("starling data partition",
                           "Deals a data set out to clients, as an experiment would, and counts "
                           "each client's labels.\n");
  options.custom_help("[flags]").positional_help("EXPERIMENT|NAME").set_width(kHelpColumns);
  options.add_options()("what", "an experiment, or the name of a data set (then with --set)",
                        cxxopts::value<std::string>())(
      "data", "where data sets lie; looked into before STARLING_DATA and datasets/",
      cxxopts::value<std::string>(),
      "DIR")("set", "replaces a value, e.g. '/partition={\"kind\": \"dirichlet\", \"alpha\": 0.3}'",
             cxxopts::value<std::vector<std::string>>(), "POINTER=VALUE")(
      "svg", "draws the labels of each client", cxxopts::value<std::string>(), "FILE")(
      "html", "the same with a table, as a page", cxxopts::value<std::string>(), "FILE")(
      "h,help", "this text");
  options.parse_positional({"what"});
  return options;
}

Experiment experiment_of(const std::string& what, const std::vector<std::string>& overrides) {
  if (std::filesystem::path(what).extension() == ".json") return load_experiment(what, overrides);
  Json json = Json::object({{"name", "partition"},
                            {"dataset", Json::object({{"name", what}})},
                            {"model", parse_json(R"({"layers": [{"kind": "flatten"}]})", "")}});
  apply_overrides(json, overrides);
  return parse_experiment(json, what + " with --set");
}

Dataset training_set(const Experiment& experiment, const std::string& folder) {
  LoadOptions wanted;
  wanted.folder = folder;
  wanted.train_limit = experiment.dataset.train_limit;
  wanted.seed = static_cast<uint64_t>(experiment.seed);
  if (const auto* natural = std::get_if<NaturalPartition>(&experiment.partition))
    wanted.owners = natural->by;
  Dataset train = load_dataset(experiment.dataset.name, wanted).train;
  if (train.is_regression())
    throw InputError("dataset " + experiment.dataset.name,
                     "has numbers to predict and no labels to count");
  return train;
}

Partition deal_out(const Experiment& experiment, const Dataset& data) {
  RandomStream dealing(RandomKey::from_seed(static_cast<uint64_t>(experiment.seed)),
                       {Purpose::partition});
  return make_partition(experiment.partition, data, dealing);
}

LabelCounts count_labels(const Partition& partition, const Dataset& data,
                         const std::vector<std::string>& names) {
  LabelCounts counts{{}, names};
  for (const auto& indices : partition.clients) {
    counts.clients.emplace_back(static_cast<size_t>(data.classes), 0);
    for (const int64_t index : indices)
      ++counts.clients.back()[static_cast<size_t>(data.labels[static_cast<size_t>(index)])];
  }
  return counts;
}

// Mean over clients of half the L1 distance between their labels' shares and everybody's.
double label_skew(const LabelCounts& counts) {
  std::vector<double> overall(counts.names.size(), 0.0);
  double total = 0.0, skew = 0.0;
  for (const auto& client : counts.clients)
    for (size_t c = 0; c < client.size(); ++c) {
      overall[c] += static_cast<double>(client[c]);
      total += static_cast<double>(client[c]);
    }
  for (size_t k = 0; k < counts.clients.size(); ++k) {
    const auto examples = static_cast<double>(counts.examples_of(k));
    for (size_t c = 0; c < overall.size(); ++c)
      skew +=
          0.5 * std::abs(static_cast<double>(counts.clients[k][c]) / examples - overall[c] / total);
  }
  return skew / static_cast<double>(counts.clients.size());
}

std::string rounded(double value, double unit) {
  std::string text = std::to_string(std::round(value / unit) * unit);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string summary(const LabelCounts& counts, const Experiment& experiment) {
  std::vector<int64_t> sizes;
  double labels = 0.0;
  int64_t examples = 0;
  for (size_t k = 0; k < counts.clients.size(); ++k) {
    sizes.push_back(counts.examples_of(k));
    examples += sizes.back();
    labels += static_cast<double>(
        std::ranges::count_if(counts.clients[k], [](int64_t count) { return count > 0; }));
  }
  std::ranges::sort(sizes);
  const Json partition = to_json(experiment)["partition"];
  return experiment.dataset.name + " by " + partition.dump() + ", seed " +
         std::to_string(experiment.seed) + "\n" + std::to_string(sizes.size()) + " clients, " +
         std::to_string(examples) + " examples: " + std::to_string(sizes.front()) + " to " +
         std::to_string(sizes.back()) + " each, median " + std::to_string(sizes[sizes.size() / 2]) +
         "\n" + rounded(labels / static_cast<double>(sizes.size()), 0.1) + " of " +
         std::to_string(counts.names.size()) + " labels a client; label skew " +
         rounded(label_skew(counts), 0.001) +
         " (mean total variation from all labels together; 0 is alike)\n";
}

std::string padded(const std::string& text, size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}

std::string table(const LabelCounts& counts) {
  const size_t columns = std::min(kColumnsShown, counts.names.size());
  std::string text = "  client  examples";
  for (size_t c = 0; c < columns; ++c) text += padded(counts.names[c].substr(0, 6), 7);
  if (columns < counts.names.size()) text += "  ...";
  text += "\n";
  for (size_t k = 0; k < std::min(kRowsShown, counts.clients.size()); ++k) {
    text += padded(std::to_string(k), 8) + padded(std::to_string(counts.examples_of(k)), 10);
    for (size_t c = 0; c < columns; ++c) text += padded(std::to_string(counts.clients[k][c]), 7);
    text += "\n";
  }
  if (counts.clients.size() > kRowsShown)
    text += "  ... and " + std::to_string(counts.clients.size() - kRowsShown) +
            " more; --html shows them all\n";
  return text;
}

std::vector<std::string> class_names(const DatasetInfo& info, int64_t classes) {
  if (static_cast<int64_t>(info.class_names.size()) == classes) return info.class_names;
  std::vector<std::string> names;
  for (int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  return names;
}

}  // namespace

int data_partition(int argc, char** argv) {
  auto options = flags();
  const auto given = parse(options, argc, argv);
  if (given.count("help")) {
    std::cout << options.help();
    return 0;
  }
  if (!given.count("what"))
    throw InputError("starling data partition", "needs an experiment or the name of a data set");
  const Experiment experiment = experiment_of(given["what"].as<std::string>(), overrides_of(given));
  const Dataset data = training_set(experiment, text_of(given, "data"));
  const auto counts =
      count_labels(deal_out(experiment, data), data,
                   class_names(find_dataset(experiment.dataset.name), data.classes));
  const std::string about = summary(counts, experiment);
  std::cout << about << "\n" << table(counts);
  if (!std::holds_alternative<NoPrivacy>(experiment.privacy))
    std::cout << "\nLabel counts are private data: the experiment's guarantee does not cover what "
                 "is shown here.\n";
  const std::string title = "Labels of " + std::to_string(counts.clients.size()) + " clients of " +
                            experiment.dataset.name;
  if (given.count("svg"))
    write_file_atomically(text_of(given, "svg"), label_chart_svg(counts, title));
  if (given.count("html"))
    write_file_atomically(text_of(given, "html"), label_chart_html(counts, title, about));
  return 0;
}

}  // namespace starling::cli
