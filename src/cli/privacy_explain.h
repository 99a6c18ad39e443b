#pragma once
// `starling privacy explain`: what was released, what the guarantee says, and what any attacker can
// gain at most.

#include <string>
#include <vector>

#include "cli/privacy_question.h"
#include "starling/privacy/tradeoff.h"

namespace starling::cli {

// One line for each kind of release; Gaussians that differ only in rate, noise and count, as those
// of clients of different sizes do, share a line with the ranges of both.
std::string releases_in_words(const std::vector<Event>& events);

// Lines of equal unit and relation together: how many, from which clients and rounds, of what.
std::string ledger_in_words(const PrivacyLedger& ledger);

// The false-alarm rates at which the trade-off is printed.
const std::vector<double>& explained_rates();
std::string trade_off_table(const std::vector<TradeOffPoint>& curve);

void report_explanation(const PrivacyQuestion& question);

}  // namespace starling::cli
