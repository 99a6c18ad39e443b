#pragma once
// The longer answers of `starling privacy`, printed to standard output (curve: to its file).

#include "cli/privacy_answer.h"
#include "cli/privacy_question.h"
#include "starling/privacy/compose.h"

namespace starling::cli {

// What a ledger says by the main accountant and by rdp, at the question's delta and overlap.
Answer<FederationPrivacy> federation_of(const PrivacyQuestion& question,
                                        const PrivacyLedger& ledger);

// Checks the chain, composes every client's events, prints the federation's epsilon by unit.
void report_ledger(const PrivacyQuestion& question);
void report_curve(const PrivacyQuestion& question);
void report_comparison(const PrivacyQuestion& question);

}  // namespace starling::cli
