#include "starling/privacy/compose.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "starling/core/error.h"
#include "starling/privacy/rdp.h"

namespace starling {
namespace {

constexpr int64_t kMostChoices = 200;

// One composition that `members` clients share.
struct Shared {
  Composition composition;
  int64_t members = 0;
};

std::vector<Shared> distinct(const std::map<int64_t, Composition>& clients) {
  std::map<std::string, Shared> groups;
  for (const auto& [client, composition] : clients) {
    Shared& shared = groups[to_json(composition).dump()];
    shared.composition = composition;
    ++shared.members;
  }
  std::vector<Shared> result;
  for (auto& [text, shared] : groups) result.push_back(std::move(shared));
  return result;
}

PrivacyBound bound_of(const Accountant& accountant, const Composition& composition, double delta) {
  return accountant.epsilon(composition.events, composition.relation, delta);
}

std::vector<ClientBound> bounds_of(const std::map<int64_t, Composition>& clients,
                                   const Accountant& accountant, double delta) {
  std::map<std::string, PrivacyBound> known;
  std::vector<ClientBound> bounds;
  for (const auto& [client, composition] : clients) {
    const std::string text = to_json(composition).dump();
    const auto found = known.find(text);
    const PrivacyBound bound =
        found == known.end() ? bound_of(accountant, composition, delta) : found->second;
    known.emplace(text, bound);
    bounds.push_back({client, composition.relation, bound});
  }
  return bounds;
}

// NaN counts as the largest: a bound that is not a number must be seen.
bool smaller(const PrivacyBound& a, const PrivacyBound& b) {
  if (std::isnan(a.epsilon)) return false;
  return std::isnan(b.epsilon) || a.epsilon < b.epsilon;
}
bool less_private(const ClientBound& a, const ClientBound& b) { return smaller(a.bound, b.bound); }

ClientBound largest_of(const std::vector<ClientBound>& bounds) {
  if (bounds.empty()) throw Error("no client has released anything");
  return *std::max_element(bounds.begin(), bounds.end(), less_private);
}

// How many ways there are to take `take` clients, equal ones not told apart; stops at the limit.
int64_t count_choices(const std::vector<Shared>& groups, size_t from, int64_t take) {
  if (take == 0) return 1;
  if (from == groups.size()) return 0;
  int64_t choices = 0;
  for (int64_t k = 0; k <= std::min(take, groups[from].members); ++k) {
    choices += count_choices(groups, from + 1, take - k);
    if (choices > kMostChoices) return choices;
  }
  return choices;
}

PrivacyBound largest_choice(const std::vector<Shared>& groups, const Accountant& accountant,
                            double delta, size_t from, int64_t take,
                            const std::vector<Event>& taken) {
  if (take == 0 || from == groups.size()) {
    if (take > 0) return {};
    return accountant.epsilon(merge_equal(taken), groups[0].composition.relation, delta);
  }
  PrivacyBound largest;
  for (int64_t k = 0; k <= std::min(take, groups[from].members); ++k) {
    std::vector<Event> more = taken;
    for (Event event : groups[from].composition.events) {
      event.count *= k;
      more.push_back(std::move(event));
    }
    const PrivacyBound bound = largest_choice(groups, accountant, delta, from + 1, take - k, more);
    if (smaller(largest, bound)) largest = bound;
  }
  return largest;
}

PrivacyBound basic_composition(const std::map<int64_t, Composition>& clients,
                               const Accountant& accountant, double delta, int64_t take) {
  std::vector<ClientBound> bounds =
      bounds_of(clients, accountant, delta / static_cast<double>(take));
  std::sort(bounds.begin(), bounds.end(),
            [](const auto& a, const auto& b) { return less_private(b, a); });
  PrivacyBound sum;
  sum.delta = delta;
  sum.error = kInfinity;
  sum.detail = "basic composition of the " + std::to_string(take) + " largest clients";
  for (int64_t i = 0; i < take; ++i) sum.epsilon += bounds[i].bound.epsilon;
  return sum;
}

}  // namespace

ClientBound largest_client(const std::map<int64_t, Composition>& clients,
                           const Accountant& accountant, double delta) {
  return largest_of(bounds_of(clients, accountant, delta));
}

PrivacyBound overlap_bound(const std::map<int64_t, Composition>& clients,
                           const Accountant& accountant, double delta, const Overlap& overlap) {
  if (overlap.clients < 1 || overlap.examples < 1) {
    throw InputError("overlap", "clients " + std::to_string(overlap.clients) + " and examples " +
                                    std::to_string(overlap.examples) + " must be at least 1");
  }
  if (overlap.examples > 1) {
    const auto group = make_group_rdp_accountant(overlap.examples);
    Overlap one = overlap;
    one.examples = 1;
    PrivacyBound bound = overlap_bound(clients, *group, delta, one);
    bound.detail += ", group of " + std::to_string(overlap.examples);
    return bound;
  }
  const std::vector<Shared> groups = distinct(clients);
  if (groups.empty()) throw Error("no client has released anything");
  for (const Shared& group : groups) {
    if (group.composition.relation != groups[0].composition.relation) {
      throw InputError("overlap", "clients state different relations, " +
                                      to_string(groups[0].composition.relation) + " and " +
                                      to_string(group.composition.relation));
    }
  }
  const int64_t take = std::min<int64_t>(overlap.clients, static_cast<int64_t>(clients.size()));
  if (count_choices(groups, 0, take) > kMostChoices) {
    return basic_composition(clients, accountant, delta, take);
  }
  return largest_choice(groups, accountant, delta, 0, take, {});
}

FederationPrivacy federation_privacy(const PrivacyLedger& ledger, const Accountant& accountant,
                                     double delta, const Overlap& overlap) {
  FederationPrivacy privacy;
  const auto clients = ledger.compositions(Unit::example);
  if (!clients.empty()) {
    privacy.example_level = bounds_of(clients, accountant, delta);
    privacy.example_largest = largest_of(privacy.example_level);
    if (overlap.clients != 1 || overlap.examples != 1) {
      privacy.example_overlap = overlap_bound(clients, accountant, delta, overlap);
    }
  }
  const auto servers = ledger.compositions(Unit::client);
  if (!servers.empty()) privacy.client_level = largest_client(servers, accountant, delta);
  return privacy;
}

}  // namespace starling
