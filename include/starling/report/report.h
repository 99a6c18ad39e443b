#pragma once
// Reports of one run, for people: a page of HTML and a page of text, from the same record. The
// privacy claim comes first, in words, and what it does not cover is never left out. Sections
// follow NIST SP 800-226 and Ponomareva et al. 2023 (section 5.3).

#include <string>
#include <vector>

#include "starling/report/record.h"

namespace starling {

// The claim in one sentence, epsilon rounded up: "(8, 1e-5)-differentially private ...". Begins
// with "NO DP GUARANTEE" where nothing is promised and "INSECURE SEED: NO DP GUARANTEE" under a
// seed.
std::string privacy_claim(const RunRecord& record);

// What the claim does not cover; never empty.
std::vector<std::string> not_covered(const RunRecord& record);

// One page, at most 80 columns where the record's own words allow it.
std::string report_text(const RunRecord& record);

// One file without references to others and without scripts: inline CSS and SVG, light and dark,
// printable. Text of the record is escaped.
std::string report_html(const RunRecord& record);

}  // namespace starling
