#include "cli/privacy_question.h"

#include <cmath>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "cli/privacy_flags.h"
#include "cli/privacy_run.h"
#include "starling/core/error.h"
#include "starling/privacy/plan.h"

namespace starling::cli {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 53;
constexpr int64_t kLargestGroup = int64_t{1} << 20;
constexpr double kUsualDelta = 1e-5;
constexpr uint64_t kLargestInput = uint64_t{64} << 20;

const std::vector<std::pair<std::string, Asked>> kAsked{
    {"epsilon", Asked::epsilon}, {"noise", Asked::noise},    {"steps", Asked::steps},
    {"rate", Asked::rate},       {"delta", Asked::delta},    {"curve", Asked::curve},
    {"compare", Asked::compare}, {"explain", Asked::explain}};

std::string standard_input() {
  std::string text;
  char block[1 << 16];
  while (std::cin.read(block, sizeof block) || std::cin.gcount() > 0) {
    text.append(block, static_cast<size_t>(std::cin.gcount()));
    if (text.size() > kLargestInput) throw InputError("-", "holds more than 64 MiB");
  }
  return text;
}

Json events_json(const std::string& path) {
  return path == "-" ? parse_json(standard_input(), "standard input") : read_json(path);
}

SamplingKind sampling_kind(const PrivacyFlags& flags) {
  const std::string word = flags.word("sampling").value_or("poisson");
  const std::vector<std::string> words{"poisson", "shuffle", "fixed"};
  for (const SamplingKind kind :
       {SamplingKind::poisson, SamplingKind::shuffle, SamplingKind::fixed}) {
    if (word == to_string(kind)) return kind;
  }
  throw InputError("--sampling", "\"" + word + "\" is not one of poisson, shuffle, fixed" +
                                     did_you_mean(word, words));
}

Relation usual_relation(SamplingKind sampling) {
  switch (sampling) {
    case SamplingKind::poisson:
      return Relation::add_remove;
    case SamplingKind::shuffle:
      return Relation::zero_out;
    case SamplingKind::fixed:
      return Relation::replace_one;
  }
  throw Error("unknown sampling kind");
}

std::optional<Relation> stated_relation(const PrivacyFlags& flags) {
  const auto word = flags.word("relation");
  if (!word) return std::nullopt;
  return relation_from_string(*word, "--relation");
}

// Sampling, steps and relation in the plan's terms; `--sample-rate 1` is no sampling at all.
DpSgdPlan plan_of(const PrivacyFlags& flags, double noise_multiplier) {
  DpSgdPlan plan;
  plan.sampling = sampling_kind(flags);
  plan.relation = stated_relation(flags).value_or(usual_relation(plan.sampling));
  plan.noise_multiplier = noise_multiplier;
  const auto examples = flags.integer("examples", 1, kMaxCount);
  const auto batch = flags.integer("batch", 1, kMaxCount);
  const auto rate = flags.number("sample-rate", kUnit);
  if (examples.has_value() != batch.has_value()) {
    throw InputError(
        examples ? "--batch" : "--examples",
        "goes with " + std::string(examples ? "--examples" : "--batch") + " and is missing");
  }
  if (rate && examples) throw InputError("--sample-rate", "is --batch / --examples; give one");
  if (plan.sampling != SamplingKind::poisson && !examples) {
    throw InputError("--sampling", to_string(plan.sampling) + " needs --examples and --batch");
  }
  plan.sample_rate = rate.value_or(1.0);
  if (examples) {
    if (*batch > *examples)
      throw InputError("--batch", std::to_string(*batch) + " is above the " +
                                      std::to_string(*examples) + " of --examples");
    plan.batch_size = *batch;
    plan.examples = *examples;
    plan.expected_batch = static_cast<double>(plan.batch_size);
    plan.sample_rate = plan.expected_batch / static_cast<double>(*examples);
    if (plan.sampling != SamplingKind::poisson) plan.validate("--sampling");
  }
  return plan;
}

int64_t steps_per_epoch(const DpSgdPlan& plan) {
  return plan.examples / plan.batch_size + (plan.examples % plan.batch_size != 0);
}

int64_t steps_of(const PrivacyFlags& flags, const DpSgdPlan& plan) {
  const auto steps = flags.integer("steps", 0, kMaxCount);
  const auto epochs = flags.integer("epochs", 0, kMaxCount);
  if (steps && epochs) throw InputError("--steps", "and --epochs say the same; give one");
  if (!epochs) {
    if (!steps) throw InputError("--steps", "is missing (or --examples, --batch and --epochs)");
    return *steps;
  }
  if (plan.examples == 0) throw InputError("--epochs", "needs --examples and --batch");
  if (*epochs > kMaxCount / steps_per_epoch(plan)) {
    throw InputError("--epochs", std::to_string(*epochs) + " is more than 2^53 steps");
  }
  return *epochs * steps_per_epoch(plan);
}

double noise_of(const PrivacyFlags& flags, Asked asked) {
  if (asked == Asked::noise) return 1.0;
  const auto noise = flags.number("noise-multiplier", {0.0, kInfinity, false, false});
  if (!noise) throw InputError("--noise-multiplier", "is missing (or --events FILE)");
  return *noise;
}

void read_plain(const PrivacyFlags& flags, PrivacyQuestion& question) {
  const DpSgdPlan plan = plan_of(flags, noise_of(flags, question.asked));
  const int64_t steps = question.asked == Asked::steps ? 1 : steps_of(flags, plan);
  question.composition.relation = plan.relation;
  question.composition.events = {plan.event(steps)};
  if (plan.examples == 0) return;
  question.examples = plan.examples;
  question.steps_per_epoch = steps_per_epoch(plan);
}

void read_events(const PrivacyFlags& flags, PrivacyQuestion& question, const std::string& path) {
  flags.refuse_beside("events", {"sample-rate", "noise-multiplier", "steps", "examples", "batch",
                                 "epochs", "sampling"});
  const auto stated = stated_relation(flags);
  const Json json = events_json(path);
  question.composition = composition_from_json(json, path == "-" ? "standard input" : path,
                                               stated.value_or(Relation::add_remove));
  if (stated && *stated != question.composition.relation) {
    throw InputError("--relation", starling::to_string(*stated) + " differs from the file's " +
                                       starling::to_string(question.composition.relation));
  }
}

LedgerHead head_from(const std::string& text) {
  const size_t colon = text.find(':');
  LedgerHead head;
  const bool formed = colon != std::string::npos && text.size() - colon - 1 == head.hash.size();
  if (!formed) throw InputError("--head", "\"" + text + "\" is not LINES:HASH");
  head.lines = parse_integer("--head", text.substr(0, colon), 0, kMaxCount);
  head.hash = text.substr(colon + 1);
  return head;
}

void read_ledger(const PrivacyFlags& flags, PrivacyQuestion& question, const std::string& path) {
  flags.refuse_beside("ledger", {"events", "sample-rate", "noise-multiplier", "steps", "examples",
                                 "batch", "epochs", "sampling", "relation"});
  question.ledger = ledger_path(path);
  if (const auto head = flags.word("head")) {
    question.head = head_from(*head);
  } else if ((question.head = head_beside(question.ledger))) {
    question.notes.push_back("the chain reaches the head that run.json beside it records");
  }
  question.overlap.clients = flags.integer("overlap", 1, kMaxCount).value_or(1);
  question.overlap.examples = flags.integer("overlap-examples", 1, kLargestGroup).value_or(1);
}

double delta_of(const PrivacyFlags& flags, PrivacyQuestion& question) {
  if (const auto delta = flags.number("delta", kUnit)) return *delta;
  if (!question.ledger.empty()) {
    const auto example = delta_beside(question.ledger, "example");
    const auto client = delta_beside(question.ledger, "client");
    if (example || client) {
      question.notes.push_back("delta is that of the run beside the ledger");
      if (example != client) question.client_delta = client;
      return example ? *example : *client;
    }
  } else if (question.examples) {
    question.notes.push_back("delta is the power of ten at or below 1 / (10 examples)");
    const double tenfold = 10.0 * static_cast<double>(*question.examples);
    const double digits = std::ceil(std::log10(tenfold) - 1e-12);
    return 1.0 / std::round(std::pow(10.0, digits));
  }
  question.notes.push_back(
      "delta 1e-05 is assumed; --delta sets it, below 1 / (number of records)");
  return kUsualDelta;
}

double epsilon_of(const PrivacyFlags& flags) {
  const auto epsilon = flags.number("epsilon", {0.0, kInfinity, false, false});
  if (!epsilon) throw InputError("--epsilon", "is missing");
  return *epsilon;
}

void read_curve(const PrivacyFlags& flags, PrivacyQuestion& question) {
  question.points = flags.integer("points", 2, 1000).value_or(question.points);
  question.out = flags.word("out").value_or("");
  const auto extension = std::filesystem::path(question.out).extension();
  if (!question.out.empty() && extension != ".svg" && extension != ".csv") {
    throw InputError("--out", "\"" + question.out + "\" ends neither in .svg nor in .csv");
  }
}

void read_releases(const PrivacyFlags& flags, PrivacyQuestion& question) {
  const auto ledger = flags.word("ledger");
  const auto events = flags.word("events");
  if (ledger) return read_ledger(flags, question, *ledger);
  for (const std::string flag : {"head", "overlap", "overlap-examples"}) {
    if (flags.word(flag)) throw InputError("--" + flag, "goes with --ledger");
  }
  if (events) return read_events(flags, question, *events);
  read_plain(flags, question);
}

}  // namespace

Asked asked_from_string(const std::string& word) {
  std::vector<std::string> words;
  for (const auto& [name, value] : kAsked) {
    if (name == word) return value;
    words.push_back(name);
  }
  throw InputError("privacy", "\"" + word +
                                  "\" is not one of epsilon, noise, steps, rate, delta, curve, "
                                  "compare, explain" +
                                  did_you_mean(word, words));
}

std::string to_string(Asked asked) {
  for (const auto& [name, value] : kAsked) {
    if (value == asked) return name;
  }
  throw Error("unknown question");
}

std::optional<PrivacyQuestion> read_question(Asked asked, int argc, char** argv) {
  const PrivacyFlags flags(asked, argc, argv);
  if (flags.help_wanted()) {
    std::cout << flags.help();
    return std::nullopt;
  }
  PrivacyQuestion question;
  question.asked = asked;
  question.json = flags.given("json");
  question.accountant = flags.word("accountant").value_or("");
  read_releases(flags, question);
  const bool has_target = asked == Asked::noise || asked == Asked::steps || asked == Asked::rate;
  if (has_target || asked == Asked::delta) question.epsilon = epsilon_of(flags);
  if (asked == Asked::explain && flags.given("epsilon")) {
    if (flags.given("delta")) throw InputError("--delta", "follows from --epsilon; give one");
    question.at_epsilon = true;
    question.epsilon = epsilon_of(flags);
  }
  if (question.at_epsilon) {
    question.delta = kUsualDelta;  // which client of a ledger spent most
  } else if (asked != Asked::delta) {
    question.delta = delta_of(flags, question);
  }
  if (asked == Asked::curve) read_curve(flags, question);
  return question;
}

}  // namespace starling::cli
