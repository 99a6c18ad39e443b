#pragma once
#include "experiment/spending.h"
#include "starling/experiment/run.h"

namespace starling::experiment {

// What the record of a run says at its end: what each client did and spent, what is promised, and
// the final model's weights beside the truth where that is known.
void complete_record(RunRecord& record, const Experiment& experiment, const Federation& federation,
                     Spending& spending, const StateDict& global);

}  // namespace starling::experiment
