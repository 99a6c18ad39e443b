#pragma once
// Private standardisation of a table's columns: every client releases the noised sums of its own
// (privacy/column_sums.h), and all examples are standardised by their common mean and deviation.

#include <map>
#include <vector>

#include "starling/core/random.h"
#include "starling/experiment/run.h"
#include "starling/privacy/ledger.h"
#include "starling/report/record.h"

namespace starling::experiment {

// Changes the examples of clients, test set and server, once; a missing number becomes the mean.
// `paid` holds every client's line of the ledger. The noise is that of `key`: a replay with the
// same key and examples gives the same bytes. Nothing is done, and nothing comes back, where no
// column is to be standardised. Errors: Error where a client's line is missing or counts another
// release than the plan's.
std::vector<ColumnRecord> standardize(Federation& federation,
                                      const std::map<int64_t, LedgerEntry>& paid,
                                      const RandomKey& key);

}  // namespace starling::experiment
