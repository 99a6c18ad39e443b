#pragma once
// The longer answers of `starling privacy`, printed to standard output (curve: to its file).

#include "cli/privacy_question.h"

namespace starling::cli {

// Checks the chain, composes every client's events, prints the federation's epsilon by unit.
void report_ledger(const PrivacyQuestion& question);
void report_curve(const PrivacyQuestion& question);
void report_comparison(const PrivacyQuestion& question);
void report_explanation(const PrivacyQuestion& question);

}  // namespace starling::cli
