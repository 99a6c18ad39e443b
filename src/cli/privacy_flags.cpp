#include "cli/privacy_flags.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cxxopts.hpp>

#include "starling/core/error.h"

namespace starling::cli {
namespace {

struct Flag {
  std::string name;
  std::string value;  // empty: a switch
  std::string text;
};

const std::vector<Flag> kMechanism{
    {"sample-rate", "Q", "probability that a record joins a step (Poisson sampling); default 1"},
    {"noise-multiplier", "SIGMA", "noise standard deviation / clip norm; 0 and inf are allowed"},
    {"steps", "T", "noised releases"},
    {"examples", "N", "number of records, with --batch, instead of --sample-rate"},
    {"batch", "B", "expected batch (exact under shuffle and fixed)"},
    {"epochs", "K", "instead of --steps: K * ceil(N / B) steps"},
    {"sampling", "KIND", "poisson (default), shuffle (not amplified), fixed (rdp, replace_one)"},
    {"events", "FILE", "a JSON list of events instead of the flags above; - reads standard input"},
    {"relation", "NAME",
     "zero_out, add_remove or replace_one; default add_remove, with shuffle zero_out, with fixed "
     "replace_one"}};
const Flag kEpsilon{"epsilon", "E", "needed: the epsilon that is asked about"};
const Flag kExplained{"epsilon", "E", "explain delta at this epsilon, instead of --delta"};
const Flag kDelta{"delta", "D", "default: from --examples, else 1e-5"};
const std::vector<Flag> kLedger{
    {"ledger", "RUN", "a ledger.jsonl or its folder: the chain is checked, its events composed"},
    {"head", "LINES:HASH", "where the chain must pass, to see a truncation; default: run.json's"},
    {"overlap", "M", "one person has an example at up to M clients"},
    {"overlap-examples", "K", "up to K of them at each; by rdp's bound for groups"}};
const std::vector<Flag> kCurve{{"out", "FILE", "a .svg or .csv file; without it CSV is printed"},
                               {"points", "N", "points along the curve, 2..1000; default 50"}};
const std::vector<Flag> kCommon{
    {"accountant", "NAME", "exact, rdp or zcdp; default exact, or rdp where exact cannot"},
    {"json", "", "the answer as JSON"},
    {"help", "", "this text"}};

bool is_calibration(Asked asked) {
  return asked == Asked::noise || asked == Asked::steps || asked == Asked::rate;
}

bool uses_ledger(Asked asked) {
  return asked == Asked::epsilon || asked == Asked::curve || asked == Asked::explain;
}

// What is asked for cannot be given.
bool is_answer(Asked asked, const std::string& flag) {
  static const std::vector<std::string> decide_rate{"sample-rate", "examples", "batch",
                                                    "epochs",      "sampling", "events"};
  return (asked == Asked::noise && flag == "noise-multiplier") ||
         (asked == Asked::steps && (flag == "steps" || flag == "epochs")) ||
         (asked == Asked::rate &&
          std::find(decide_rate.begin(), decide_rate.end(), flag) != decide_rate.end());
}

std::vector<Flag> flags_of(Asked asked) {
  std::vector<Flag> flags;
  const auto add = [&](const std::vector<Flag>& more) {
    for (const Flag& flag : more) {
      if (!is_answer(asked, flag.name)) flags.push_back(flag);
    }
  };
  add(kMechanism);
  if (is_calibration(asked) || asked == Asked::delta) add({kEpsilon});
  if (asked == Asked::explain) add({kExplained});
  if (asked != Asked::delta) add({kDelta});
  if (uses_ledger(asked)) add(kLedger);
  if (asked == Asked::curve) add(kCurve);
  add(kCommon);
  return flags;
}

std::string purpose(Asked asked) {
  switch (asked) {
    case Asked::epsilon:
      return "Epsilon of a list of noised releases, or of a run's ledger.\n"
             "  starling privacy epsilon --sample-rate 0.01 --noise-multiplier 1.1 --steps 10000 "
             "--delta 1e-5\n"
             "  starling privacy epsilon --ledger runs/x/ledger.jsonl";
    case Asked::noise:
      return "The smallest noise multiplier that meets a target.\n"
             "  starling privacy noise --epsilon 2 --delta 1e-5 --examples 60000 --batch 600 "
             "--epochs 100";
    case Asked::steps:
      return "The largest number of steps (of rounds, with --events) that meets a target.\n"
             "  starling privacy steps --epsilon 2 --delta 1e-5 --sample-rate 0.01 "
             "--noise-multiplier 1.1";
    case Asked::rate:
      return "The largest rate of Poisson sampling that meets a target.\n"
             "  starling privacy rate --epsilon 2 --delta 1e-5 --noise-multiplier 1.1 "
             "--steps 10000";
    case Asked::delta:
      return "Delta at a given epsilon.\n"
             "  starling privacy delta --epsilon 2 --sample-rate 0.01 --noise-multiplier 1.1 "
             "--steps 1000";
    case Asked::curve:
      return "Epsilon as releases follow each other, as CSV or SVG.\n"
             "  starling privacy curve --sample-rate 0.01 --noise-multiplier 1.1 --steps 10000 "
             "--delta 1e-5 --out epsilon.svg";
    case Asked::compare:
      return "Epsilon by every accountant.\n"
             "  starling privacy compare --sample-rate 0.01 --noise-multiplier 1.1 --steps 1000 "
             "--delta 1e-5";
    case Asked::explain:
      return "What was released, what the guarantee says, and what an attacker can gain at most.\n"
             "  starling privacy explain --events events.json --delta 1e-6";
  }
  return "";
}

bool ends_number(const std::from_chars_result& result, const std::string& text) {
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

// Every word that begins with a dash must be a flag; cxxopts' own messages name no remedy.
void check_words(const std::vector<Flag>& flags, Asked asked, int argc, char** argv) {
  std::vector<std::string> names, seen;
  for (const Flag& flag : flags) names.push_back(flag.name);
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "-h") continue;
    const std::string name = word.substr(0, 2) == "--" ? word.substr(2, word.find('=') - 2) : "";
    const auto flag = std::find_if(flags.begin(), flags.end(),
                                   [&](const Flag& known) { return known.name == name; });
    if (name.empty()) {
      throw InputError("", "\"" + word + "\" is not a flag; flags begin with --");
    }
    if (flag == flags.end()) {
      throw InputError("--" + name, "is not a flag of `starling privacy " + to_string(asked) + "`" +
                                        did_you_mean(name, names));
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      throw InputError("--" + name, "is given twice");
    }
    seen.push_back(name);
    if (flag->value.empty() || word.find('=') != std::string::npos) continue;
    if (++i == argc || std::string(argv[i]).substr(0, 2) == "--") {
      throw InputError("--" + name, "needs a value, " + flag->value);
    }
  }
}

}  // namespace

double parse_number(const std::string& place, const std::string& text, Interval allowed) {
  double value = 0.0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!ends_number(result, text)) throw InputError(place, "\"" + text + "\" is not a number");
  if (!allowed.contains(value)) throw InputError(place, text + " is outside " + allowed.text());
  return value;
}

int64_t parse_integer(const std::string& place, const std::string& text, int64_t low,
                      int64_t high) {
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string range = std::to_string(low) + ".." + std::to_string(high);
  if (!ends_number(result, text)) {
    const double real = parse_number(place, text, {-kInfinity, kInfinity, false, false});
    if (real != std::floor(real)) throw InputError(place, text + " is not a whole number");
    if (!(std::abs(real) <= 0x1p53)) throw InputError(place, text + " is outside " + range);
    value = static_cast<int64_t>(real);
  }
  if (value < low || value > high) throw InputError(place, text + " is outside " + range);
  return value;
}

struct PrivacyFlags::Parsed {
  explicit Parsed(Asked asked)
      : options("starling privacy " + to_string(asked), "\n" + purpose(asked) + "\n") {}
  cxxopts::Options options;
  cxxopts::ParseResult result;
};

PrivacyFlags::PrivacyFlags(Asked asked, int argc, char** argv)
    : parsed_(std::make_unique<Parsed>(asked)) {
  const std::vector<Flag> flags = flags_of(asked);
  auto adder = parsed_->options.add_options();
  for (const Flag& flag : flags) {
    const std::string name = flag.name == "help" ? "h,help" : flag.name;
    if (flag.value.empty()) {
      adder(name, flag.text);
    } else {
      adder(name, flag.text, cxxopts::value<std::string>(), flag.value);
    }
  }
  parsed_->options.custom_help("[flags]").set_width(98);
  check_words(flags, asked, argc, argv);
  try {
    parsed_->result = parsed_->options.parse(argc, argv);
  } catch (const cxxopts::exceptions::exception& problem) {
    throw InputError("privacy " + to_string(asked), problem.what());
  }
}

PrivacyFlags::~PrivacyFlags() = default;

std::string PrivacyFlags::help() const { return parsed_->options.help(); }

bool PrivacyFlags::given(const std::string& flag) const { return parsed_->result.count(flag) > 0; }

std::optional<std::string> PrivacyFlags::word(const std::string& flag) const {
  if (!given(flag)) return std::nullopt;
  return parsed_->result[flag].as<std::string>();
}

std::optional<double> PrivacyFlags::number(const std::string& flag, Interval allowed) const {
  const auto text = word(flag);
  if (!text) return std::nullopt;
  return parse_number("--" + flag, *text, allowed);
}

std::optional<int64_t> PrivacyFlags::integer(const std::string& flag, int64_t low,
                                             int64_t high) const {
  const auto text = word(flag);
  if (!text) return std::nullopt;
  return parse_integer("--" + flag, *text, low, high);
}

void PrivacyFlags::refuse_beside(const std::string& flag,
                                 const std::vector<std::string>& others) const {
  for (const std::string& other : others) {
    if (given(other)) throw InputError("--" + other, "does not go with --" + flag);
  }
}

std::string privacy_help() {
  return
      R"(Privacy accounting: every answer is an upper bound, no answer is below the truth.

Usage: starling privacy QUESTION [flags]      starling privacy QUESTION --help

  epsilon   of a list of noised releases, or of a run's ledger, whose chain it checks
  noise     the smallest noise multiplier that meets (epsilon, delta)
  steps     the largest number of steps that meets (epsilon, delta)
  rate      the largest sample rate that meets (epsilon, delta)
  delta     at a given epsilon
  curve     epsilon over steps or rounds, as CSV or SVG
  compare   epsilon by every accountant
  explain   what the guarantee says, in words, and what an attacker can gain at most

  starling privacy epsilon --sample-rate 0.01 --noise-multiplier 1.1 --steps 10000 --delta 1e-5
  starling privacy noise --epsilon 2 --examples 60000 --batch 600 --epochs 100
  starling privacy epsilon --ledger runs/x/ledger.jsonl
)";
}

}  // namespace starling::cli
