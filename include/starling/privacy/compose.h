#pragma once
// What a federation spent. Clients hold disjoint records, so that at example level their ledgers
// compose in parallel: the federation's epsilon is the LARGEST of its clients', never the sum
// (McSherry 2009, Theorem 4). At client level the server's releases compose in its own ledger.
// Both can be on in one run; each is reported apart, since local noise earns no client-level credit
// and server noise no example-level credit.

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "starling/privacy/accountant.h"
#include "starling/privacy/event_json.h"
#include "starling/privacy/ledger.h"

namespace starling {

struct ClientBound {
  int64_t client = -1;
  Relation relation = Relation::zero_out;
  PrivacyBound bound;
};

// People whose examples lie at several clients. `clients` is the most clients that hold one
// person's examples; each holds at most `examples` of them.
struct Overlap {
  int64_t clients = 1;
  int64_t examples = 1;
};

struct FederationPrivacy {
  std::vector<ClientBound> example_level;       // by client, ascending; empty without such releases
  std::optional<ClientBound> example_largest;   // the federation's epsilon at example level
  std::optional<PrivacyBound> example_overlap;  // for a person at several clients, where declared
  std::optional<ClientBound> client_level;      // at the server; its client is -1
};

// Equal compositions are accounted for once. delta in [0, 1].
// Errors: InputError where the accountant cannot take an event, or where clients' relations differ
// under an overlap.
FederationPrivacy federation_privacy(const PrivacyLedger& ledger, const Accountant& accountant,
                                     double delta, const Overlap& overlap = {});

// The largest over disjoint clients. `clients` must not be empty.
ClientBound largest_client(const std::map<int64_t, Composition>& clients,
                           const Accountant& accountant, double delta);

// One person with at most one example at each of any `overlap.clients` of the clients: the
// adaptive composition of their releases. Exact over all choices of distinct compositions where
// they are few; otherwise the sum of the largest epsilons at delta / clients (basic composition).
// With several examples at each, by rdp's group bound (make_group_rdp_accountant), whatever
// `accountant` is: no other one bounds groups.
PrivacyBound overlap_bound(const std::map<int64_t, Composition>& clients,
                           const Accountant& accountant, double delta, const Overlap& overlap);

}  // namespace starling
