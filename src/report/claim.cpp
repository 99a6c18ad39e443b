#include <cmath>

#include "report/format.h"
#include "report/sections.h"
#include "starling/report/report.h"

namespace starling {
namespace report {
namespace {

std::string neighbours(const PrivacyStatement& p) {
  const std::string unit = p.unit == "client" ? "client" : "training example";
  if (p.relation == "add_remove") return "one " + unit + " is added or removed";
  if (p.relation == "replace_one") return "one " + unit + " is replaced by any other";
  return "one " + unit + " is replaced by nothing (zero-out)";
}

}  // namespace

std::string who_sees(const PrivacyStatement& p) {
  if (p.adversary == "final_model") return "anyone who sees the final model alone";
  if (p.adversary == "every_global_model")
    return "anyone who sees the global model of every round, but no client's upload";
  return "anyone who sees every upload of every client and the global model of every round, the "
         "server included";
}

namespace {

std::string bound(const PrivacyStatement& p) {
  return "epsilon = " + rounded_up(p.epsilon, 2) +
         " (an upper bound, rounded up) and delta = " + number(p.delta);
}

}  // namespace

bool holds(const PrivacyStatement& p) {
  return p.guarantee == Guarantee::dp && std::isfinite(p.epsilon) && p.delta < 1.0;
}

bool is_delta_small(const PrivacyStatement& p) {
  const auto protected_ = p.unit == "client" ? p.clients : p.largest_client;
  return !protected_ || p.delta * static_cast<double>(*protected_) < 1.0;
}

namespace {

std::string complaint_about_delta(const PrivacyStatement& p) {
  if (is_delta_small(p)) return "";
  if (p.unit == "client")
    return " DELTA IS TOO LARGE: it is not below 1 / n for the " + grouped(*p.clients) +
           " clients, and so allows that single clients are published.";
  return " DELTA IS TOO LARGE: it is not below 1 / n for the " + grouped(*p.largest_client) +
         " examples of the largest client, and so allows that single examples are published.";
}

}  // namespace

std::string complaint_about_epsilon(double epsilon) {
  if (epsilon <= kLargestReasonableEpsilon) return "";
  return "EPSILON IS WEAK: above " + number(kLargestReasonableEpsilon) +
         ", the bound alone promises little";
}

std::string claim(const PrivacyStatement& p) {
  const std::string weak = complaint_about_epsilon(p.epsilon);
  if (holds(p))
    return "(epsilon, delta)-differential privacy with " + bound(p) + " when " + neighbours(p) +
           ", against " + who_sees(p) + "." + (weak.empty() ? "" : " " + weak + ".") +
           complaint_about_delta(p);
  if (p.guarantee == Guarantee::insecure_seed)
    return "INSECURE SEED: NO DP GUARANTEE. The noise follows from a seed in the experiment, so "
           "anyone who knows it can subtract it. With secret noise the same run would have " +
           bound(p) + " when " + neighbours(p) + ".";
  return "NO DP GUARANTEE. Nothing bounds what the models of this run say about a single " +
         std::string(p.unit == "client" ? "client." : "training example.");
}

}  // namespace report

std::string privacy_claim(const RunRecord& record) {
  if (record.privacy.empty())
    return "NO DP GUARANTEE. This run adds no noise: nothing bounds what its models say about a "
           "single training example.";
  std::string text;
  for (const auto& statement : record.privacy)
    text.append(text.empty() ? "" : " ").append(report::claim(statement));
  return text;
}

std::vector<std::string> not_covered(const RunRecord& record) {
  if (record.privacy.empty())
    return {"Everything: no noise is added, and models can memorise single examples.",
            "Uploads are seen by the server as they are."};
  const auto& p = record.privacy.front();
  const bool examples_only = record.privacy.size() == 1 && p.unit == "example";
  std::vector<std::string> items;
  if (p.reveal_private_metrics)
    items.push_back(
        "Private metrics (training loss, per-client values), which this run was told to reveal.");
  if (examples_only)
    items.push_back(
        "Whether a client takes part, when, and how many examples it has: single examples are "
        "protected, not clients.");
  items.push_back(
      examples_only
          ? "A person with several examples: k examples of one client are protected by k times "
            "epsilon and a larger delta. A person at several clients spends every one of those "
            "budgets."
          : "A person whose data lies at several clients: k clients are protected by k times "
            "epsilon and a larger delta.");
  items.insert(
      items.end(),
      {"What holds for the population and would be learnt without this example: conclusions about "
       "a group may concern a person who never took part.",
       "Records that depend on one another, such as relatives or repeated measurements.",
       "Earlier and later runs on the same data; their budgets add up, and what was spent before "
       "is unknown here.",
       "The search for hyper-parameters: search NOT counted, unless it used public data.",
       record.columns.empty()
           ? "The choice of clip norm, model and preprocessing: they count as public constants."
           : "The choice of clip norm and model, and the bounds of columns: they count as public "
             "constants.",
       "Poisoned data, backdoors and altered models: privacy is not integrity.",
       p.noise == "secure"
           ? "Timing, also of the noise: how long an exact draw takes depends on its value."
           : "Timing, and the rounding of floating-point noise: the fast noise is not proof "
             "against attacks on low-order bits.",
       "The training data of initial weights, where training starts from a file.",
       "Bias: noise and clipping can cost small groups more accuracy than large ones."});
  return items;
}

}  // namespace starling
