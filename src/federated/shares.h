#pragma once
// How the ranks of a run share out a round, and what they tell each other after it.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "starling/federated/client.h"
#include "starling/federated/collector.h"
#include "starling/federated/ranks.h"

namespace starling {

// The ids in the order that they are begun in. Long jobs first: the last ones to end are short.
std::vector<int64_t> longest_first(std::vector<int64_t> ids, const std::vector<Client>& clients);

// Which of `ids` (their places, ascending) a rank trains: each in turn goes to the rank with the
// fewest examples so far (Graham 1969, largest first), the first of several.
std::vector<size_t> places_of_rank(const Ranks& ranks, const std::vector<int64_t>& ids,
                                   const std::vector<Client>& clients);

// Metrics by place, of which each rank knows its own and has zeros elsewhere: the same doubles on
// every rank, since nothing is added but zeros.
void share_metrics(Ranks& ranks, std::vector<LocalMetrics>& metrics);

// Evaluations by place, of which each rank has its own and empty ones elsewhere: likewise.
void share_evaluations(Ranks& ranks, std::vector<Evaluation>& evaluations);

// Rank 0 logs every rank's warnings.
void log_warnings(Ranks& ranks, const std::vector<std::string>& own);

// What `clients`, which this rank trained, keep between rounds becomes known to every rank.
void share_states(Ranks& ranks, const std::vector<int64_t>& clients,
                  std::vector<ClientState>& states);

// Appends a client's vector of any length to `bytes`; takes it off their front.
void put_vector(std::string& bytes, int64_t client, const std::vector<double>& values);
std::pair<int64_t, std::vector<double>> take_vector(std::string_view& bytes);

}  // namespace starling
