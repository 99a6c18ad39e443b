#include <charconv>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "cli/commands.h"
#include "cli/options.h"
#include "starling/experiment/distill.h"

namespace starling::cli {
namespace {

cxxopts::Options options() {
  cxxopts::Options options(
      "starling distill",
      "Compresses the model of a finished run into a smaller one that learns from its answers.\n"
      "  starling distill runs/teacher --student models/cnn_small.json\n"
      "  starling distill runs/teacher --student models/cnn_small.json --transfer kmnist "
      "--public\n");
  options.custom_help("[flags]").positional_help("RUN").set_width(kHelpColumns);
  options.add_options()                                                                          //
      ("run", "the teacher's run folder", cxxopts::value<std::string>())                         //
      ("student", "the small model's description", cxxopts::value<std::string>(), "MODEL.json")  //
      ("transfer", "the data set to distil on; default the teacher's own",
       cxxopts::value<std::string>(), "NAME")  //
      ("public",
       "declares the transfer set public: then the teacher's guarantee is the student's")        //
      ("skip", "transfer examples left out at the beginning", cxxopts::value<int64_t>(), "N")    //
      ("limit", "transfer examples after them, at most", cxxopts::value<int64_t>(), "N")         //
      ("temperature", "softens both models' answers; default 4", cxxopts::value<double>(), "T")  //
      ("hard-weight",
       "what the labels weigh, from 0 to 1; default 0.1, or 0 where they mean other "
       "classes",
       cxxopts::value<double>(), "A")  //
      ("hint",
       "a student's layer that follows a teacher's, both by name or position in the model file, "
       "through a projection that is learnt; with W beside the answers, default 1; may be repeated",
       cxxopts::value<std::vector<std::string>>(), "TEACHER:STUDENT[:W]")  //
      ("attention", "the same for where in the image the layers are active",
       cxxopts::value<std::vector<std::string>>(), "TEACHER:STUDENT[:W]")                        //
      ("epochs", "over the transfer set; default 10", cxxopts::value<int64_t>(), "N")            //
      ("batch-size", "default 64", cxxopts::value<int64_t>(), "N")                               //
      ("learning-rate", "of SGD at the beginning; default 0.01", cxxopts::value<double>(), "R")  //
      ("momentum", "of SGD; default 0.9", cxxopts::value<double>(), "M")                         //
      ("seed", "of the first student; default 1", cxxopts::value<int64_t>(), "N")                //
      ("seeds", "students, each also trained alone; default 1", cxxopts::value<int64_t>(), "N")  //
      ("out", "the student's folder; default beside the run", cxxopts::value<std::string>(),
       "DIR")  //
      ("data", "where data sets lie; looked into before STARLING_DATA and datasets/",
       cxxopts::value<std::string>(), "DIR")  //
      ("quiet", "print nothing but errors")   //
      ("h,help", "this text");
  options.parse_positional({"run"});
  return options;
}

template <class Value>
void take(const cxxopts::ParseResult& given, const std::string& flag, Value low, Value high,
          auto& value) {
  if (given.count(flag) == 0) return;
  const auto number = given[flag].as<Value>();
  if (!(number >= low && number <= high)) {
    std::ostringstream range;
    range << number << " is outside " << low << ".." << high;
    throw InputError("--" + flag, range.str());
  }
  value = number;
}

// "TEACHER:STUDENT" or "TEACHER:STUDENT:WEIGHT".
LayerMatch match_of(MatchKind kind, const std::string& flag, const std::string& text) {
  const auto fail = [&](const std::string& reason) {
    throw InputError("--" + flag + " " + text, reason);
  };
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ':');) parts.push_back(part);
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty())
    fail("is not TEACHER:STUDENT or TEACHER:STUDENT:WEIGHT");
  LayerMatch match{kind, parts[0], parts[1]};
  if (parts.size() == 3) {
    const auto [end, error] =
        std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), match.weight);
    if (error != std::errc() || end != parts[2].data() + parts[2].size() ||
        !(match.weight > 0.0 && std::isfinite(match.weight)))
      fail("the weight is not a number above 0");
  }
  return match;
}

void take_matches(const cxxopts::ParseResult& given, MatchKind kind, const std::string& flag,
                  std::vector<LayerMatch>& matches) {
  if (given.count(flag) == 0) return;
  for (const auto& text : given[flag].as<std::vector<std::string>>())
    matches.push_back(match_of(kind, flag, text));
}

DistillOptions read(const cxxopts::ParseResult& given) {
  constexpr int64_t kMany = 1'000'000'000;
  constexpr double kTiny = 1e-6;
  DistillOptions result;
  if (given.count("run") == 0) throw InputError("starling distill needs a teacher's run folder");
  if (given.count("student") == 0) throw InputError("starling distill needs --student MODEL.json");
  result.teacher = given["run"].as<std::string>();
  result.student = given["student"].as<std::string>();
  result.transfer = text_of(given, "transfer");
  result.transfer_is_public = given.count("public") != 0;
  result.out = text_of(given, "out");
  result.data_folder = text_of(given, "data");
  take<int64_t>(given, "skip", 0, kMany, result.skip);
  take<int64_t>(given, "limit", 1, kMany, result.limit);
  take<double>(given, "temperature", kTiny, 1e6, result.temperature);
  take<double>(given, "hard-weight", 0.0, 1.0, result.hard_weight);
  take_matches(given, MatchKind::hint, "hint", result.matches);
  take_matches(given, MatchKind::attention, "attention", result.matches);
  take<int64_t>(given, "epochs", 1, kMany, result.epochs);
  take<int64_t>(given, "batch-size", 1, kMany, result.batch_size);
  take<double>(given, "learning-rate", kTiny, 1e6, result.learning_rate);
  take<double>(given, "momentum", 0.0, 1.0 - kTiny, result.momentum);
  take<int64_t>(given, "seed", 0, kMany, result.seed);
  take<int64_t>(given, "seeds", 1, 1000, result.seeds);
  return result;
}

void print_row(const ModelFigures& figures) {
  std::printf("  %-32s %12ld  %10.1f  %8.2f %%", figures.name.c_str(),
              static_cast<long>(figures.parameters), static_cast<double>(figures.bytes) / 1000.0,
              100 * figures.mean_accuracy());
  if (figures.accuracies.size() > 1)
    std::printf(" ± %.2f", 100 * figures.accuracy_deviation());
  else
    std::printf("       ");
  std::printf("  %12.0f\n", figures.examples_per_second);
}

void print(const DistillResult& result) {
  std::printf("\n  %-32s %12s  %10s  %10s         %12s\n", "model", "parameters", "kilobytes",
              "accuracy", "examples/s");
  print_row(result.teacher);
  print_row(result.student);
  if (result.alone) print_row(*result.alone);
  std::printf("\n%ld transfer examples; the student has %.2f %% of the teacher's parameters.\n",
              static_cast<long>(result.transfer_examples),
              100.0 * static_cast<double>(result.student.parameters) /
                  static_cast<double>(result.teacher.parameters));
  std::printf("%s\nStudent: %s/student.safetensors\n", result.claim.c_str(), result.folder.c_str());
}

}  // namespace

int distill_command(int argc, char** argv) {
  auto known = options();
  const auto given = parse(known, argc, argv);
  if (given.count("help") != 0) {
    std::cout << known.help();
    return 0;
  }
  auto wanted = read(given);
  const bool quiet = given.count("quiet") != 0;
  if (!quiet)
    wanted.on_progress = [](const std::string& line) { std::cout << line << "\n" << std::flush; };
  const auto result = distill(wanted);
  if (!quiet) print(result);
  return 0;
}

}  // namespace starling::cli
