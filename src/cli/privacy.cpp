#include <cmath>
#include <iostream>

#include "cli/commands.h"
#include "cli/privacy_answer.h"
#include "cli/privacy_explain.h"
#include "cli/privacy_reports.h"
#include "starling/core/error.h"
#include "starling/privacy/calibrate.h"

namespace starling::cli {
namespace {

constexpr int64_t kMostSteps = 1'000'000'000;

PrivacyBound epsilon_by(const Accountant& accountant, const Composition& composition,
                        double delta) {
  return accountant.epsilon(composition.events, composition.relation, delta);
}

void print(const Json& json) { std::cout << json.dump(2) << "\n"; }

Answer<PrivacyBound> bound_of(const PrivacyQuestion& question) {
  return answer_of<PrivacyBound>(question, [&](const Accountant& accountant) {
    return epsilon_by(accountant, question.composition, question.delta);
  });
}

Json answer_json(const PrivacyQuestion& question, const Answer<PrivacyBound>& answer) {
  Json json = bound_json(*answer.main.value, answer.main.accountant);
  json["relation"] = starling::to_string(question.composition.relation);
  json["rdp"] = rdp_json(answer.rdp);
  return json;
}

void print_bound(const PrivacyQuestion& question, const Answer<PrivacyBound>& answer) {
  if (question.json) return print(answer_json(question, answer));
  const PrivacyBound& bound = *answer.main.value;
  std::cout << guarantee(bound, question.composition.relation, "record")
            << complaint_about_delta(bound.delta, question.examples, "record")
            << side_by_side(answer) << notes(question, answer.note);
}

void answer_epsilon(const PrivacyQuestion& question) { print_bound(question, bound_of(question)); }

void answer_delta(const PrivacyQuestion& question) {
  print_bound(question, answer_of<PrivacyBound>(question, [&](const Accountant& accountant) {
                return accountant.delta(question.composition.events, question.composition.relation,
                                        question.epsilon);
              }));
}

// A calibrated value and what it spends by the accountant that calibrated it.
struct Calibrated {
  double value = 0.0;
  PrivacyBound bound;
};

Calibrated calibrated_noise(const PrivacyQuestion& question, const Accountant& accountant) {
  const PrivacyTarget target{question.epsilon, question.delta};
  const double noise = calibrate_noise_multiplier(accountant, target, question.composition);
  return {noise, epsilon_by(accountant, with_noise_multiplier(question.composition, noise),
                            question.delta)};
}

Composition repeated(Composition composition, int64_t times) {
  for (Event& event : composition.events) {
    if (event.count != 0 && times > (int64_t{1} << 53) / event.count) {
      throw InputError("count", "more than 2^53 releases of " + describe(event));
    }
    event.count *= times;
  }
  return composition;
}

Calibrated calibrated_steps(const PrivacyQuestion& question, const Accountant& accountant) {
  const auto of = [&](int64_t steps) { return repeated(question.composition, steps); };
  const PrivacyTarget target{question.epsilon, question.delta};
  const int64_t steps = calibrate_steps(accountant, target, of, kMostSteps);
  return {static_cast<double>(steps), epsilon_by(accountant, of(steps), question.delta)};
}

Composition at_rate(Composition composition, double rate) {
  for (Event& event : composition.events) event.sampling = PoissonSampling{rate};
  return composition;
}

Calibrated calibrated_rate(const PrivacyQuestion& question, const Accountant& accountant) {
  const auto of = [&](double rate) { return at_rate(question.composition, rate); };
  const PrivacyTarget target{question.epsilon, question.delta};
  const double rate = calibrate_sample_rate(accountant, target, of);
  return {rate, epsilon_by(accountant, of(rate), question.delta)};
}

Json calibrated_json(const By<Calibrated>& by, const std::string& key) {
  if (!by.value) return Json{{"refused", by.refusal}};
  Json json = Json::object();
  const bool whole = key == "steps";
  json[key] = whole ? Json(static_cast<int64_t>(by.value->value)) : number_json(by.value->value);
  json.update(bound_json(by.value->bound, by.accountant));
  return json;
}

std::string calibrated_line(const By<Calibrated>& by, const std::string& words) {
  std::string name = by.accountant;
  name.resize(std::max<size_t>(name.size(), 6), ' ');
  if (!by.value) return "  " + name + "  no answer: " + by.refusal + "\n";
  return "  " + name + "  " + words + " " + number_text(by.value->value) +
         ", which spends epsilon " + rounded_up(by.value->bound.epsilon, 7) + "\n";
}

void print_calibrated(const PrivacyQuestion& question, const Answer<Calibrated>& answer,
                      const std::string& key, const std::string& words,
                      const std::string& sentence) {
  if (question.json) {
    Json json = calibrated_json(answer.main, key);
    json["relation"] = starling::to_string(question.composition.relation);
    json["rdp"] = calibrated_json(answer.rdp, key);
    return print(json);
  }
  std::cout << sentence << complaint_about_delta(question.delta, question.examples, "record")
            << calibrated_line(answer.main, words);
  if (answer.main.accountant != "rdp") std::cout << calibrated_line(answer.rdp, words);
  std::cout << notes(question, answer.note);
}

std::string target_words(const PrivacyQuestion& question) {
  return "(" + number_text(question.epsilon) + ", " + number_text(question.delta) +
         ")-differential privacy under " + starling::to_string(question.composition.relation);
}

void answer_noise(const PrivacyQuestion& question) {
  const auto answer = answer_of<Calibrated>(question, [&](const Accountant& accountant) {
    return calibrated_noise(question, accountant);
  });
  const double noise = answer.main.value->value;
  const std::string sentence =
      std::isinf(noise)
          ? "No finite noise gives " + target_words(question) + ": epsilon or delta is 0.\n"
          : "Noise multiplier " + number_text(noise) + " gives " + target_words(question) +
                ": noise of standard deviation " + number_text(noise) +
                " * clip norm on each clipped sum.\n";
  print_calibrated(question, answer, "noise_multiplier", "noise multiplier", sentence);
}

void answer_steps(const PrivacyQuestion& question) {
  const auto answer = answer_of<Calibrated>(question, [&](const Accountant& accountant) {
    return calibrated_steps(question, accountant);
  });
  const int64_t steps = static_cast<int64_t>(answer.main.value->value);
  const std::string most = steps >= kMostSteps ? " (more are not searched)" : "";
  std::string sentence =
      std::to_string(steps) + " steps" + most + " keep " + target_words(question);
  if (question.steps_per_epoch) {
    sentence += ": " + std::to_string(steps / *question.steps_per_epoch) + " whole epochs of " +
                std::to_string(*question.steps_per_epoch) + " steps";
  }
  print_calibrated(question, answer, "steps", "steps", sentence + ".\n");
}

void answer_rate(const PrivacyQuestion& question) {
  const auto answer = answer_of<Calibrated>(question, [&](const Accountant& accountant) {
    return calibrated_rate(question, accountant);
  });
  const std::string rate = number_text(answer.main.value->value);
  print_calibrated(question, answer, "sample_rate", "sample rate",
                   "Sample rate " + rate + " keeps " + target_words(question) +
                       ": each record joins a step with probability " + rate + ".\n");
}

void answer_question(const PrivacyQuestion& question) {
  switch (question.asked) {
    case Asked::epsilon:
      return question.ledger.empty() ? answer_epsilon(question) : report_ledger(question);
    case Asked::noise:
      return answer_noise(question);
    case Asked::steps:
      return answer_steps(question);
    case Asked::rate:
      return answer_rate(question);
    case Asked::delta:
      return answer_delta(question);
    case Asked::curve:
      return report_curve(question);
    case Asked::compare:
      return report_comparison(question);
    case Asked::explain:
      return report_explanation(question);
  }
}

}  // namespace

int privacy_command(int argc, char** argv) {
  const std::string word = argc < 2 ? "--help" : argv[1];
  if (word == "--help" || word == "-h" || word == "help") {
    std::cout << privacy_help();
    return 0;
  }
  const Asked asked = asked_from_string(word);
  if (const auto question = read_question(asked, argc - 1, argv + 1)) answer_question(*question);
  return 0;
}

}  // namespace starling::cli
