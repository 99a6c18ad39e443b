#pragma once
// Answers of `starling privacy` in words and as JSON. Numbers in words are rounded to the safe
// side.

#include <functional>
#include <optional>
#include <string>

#include "cli/privacy_question.h"
#include "starling/core/error.h"
#include "starling/privacy/accountant.h"

namespace starling::cli {

// One accountant's answer, or why it has none.
template <class Value>
struct By {
  std::string accountant;
  std::optional<Value> value;
  std::string refusal;
};

// The main answer and, beside it, that of rdp.
template <class Value>
struct Answer {
  By<Value> main;
  By<Value> rdp;
  std::string note;  // why the main accountant is not the exact one
};

template <class Value>
By<Value> ask(const std::string& accountant,
              const std::function<Value(const Accountant&)>& question) {
  By<Value> answer{accountant, std::nullopt, ""};
  try {
    answer.value = question(*make_accountant(accountant));
  } catch (const InputError& refusal) {
    answer.refusal = refusal.what();
  }
  return answer;
}

// By the accountant that the user named, whose refusal is then an error; otherwise by exact, or by
// rdp where exact refuses. Errors: InputError where no accountant answers.
template <class Value>
Answer<Value> answer_of(const PrivacyQuestion& question,
                        const std::function<Value(const Accountant&)>& of) {
  Answer<Value> answer;
  if (!question.accountant.empty()) make_accountant(question.accountant);
  answer.main = ask(question.accountant.empty() ? "exact" : question.accountant, of);
  answer.rdp = answer.main.accountant == "rdp" ? answer.main : ask("rdp", of);
  if (answer.main.value) return answer;
  if (!question.accountant.empty() || !answer.rdp.value) throw InputError(answer.main.refusal);
  answer.note = "exact does not answer: " + answer.main.refusal;
  answer.main = answer.rdp;
  return answer;
}

std::string rounded_up(double value, int digits = 4);
std::string rounded_down(double value, int digits = 4);

// {"epsilon": ..., "delta": ..., "accountant": ..., "error": ..., "label": "exact" or "bound"}
Json bound_json(const PrivacyBound& bound, const std::string& accountant);
Json rdp_json(const By<PrivacyBound>& rdp);

// Finite epsilon, and a delta below 1.
bool holds(const PrivacyBound& bound);
// "(2.5, 1e-05)-differential privacy: adding or removing one record changes ...", or NO DP
// GUARANTEE.
std::string guarantee(const PrivacyBound& bound, Relation relation, const std::string& record);
// Says of a delta that is not below one by `number` records that it lets single ones be published;
// "" otherwise.
std::string complaint_about_delta(double delta, std::optional<int64_t> number,
                                  const std::string& record);
// "  exact   epsilon 2.467 at delta 1e-05  (...)", or the refusal.
std::string line_of(const By<PrivacyBound>& by);
// The lines of the main accountant and of rdp under it.
std::string side_by_side(const Answer<PrivacyBound>& answer);
std::string notes(const PrivacyQuestion& question, const std::string& more = "");

}  // namespace starling::cli
