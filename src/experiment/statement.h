#pragma once
#include "starling/experiment/experiment.h"
#include "starling/experiment/plan.h"
#include "starling/privacy/accountant.h"
#include "starling/privacy/ledger.h"
#include "starling/report/record.h"

namespace starling::experiment {

// What the run promises at each level, from the ledger alone, as anyone can recompute it.
PrivacyStatement state_example_privacy(const Experiment& experiment, const FederationPlan& plan,
                                       const PrivacyLedger& ledger, const Accountant& accountant);
PrivacyStatement state_client_privacy(const Experiment& experiment, const ServerPlan& plan,
                                      const PrivacyLedger& ledger, const Accountant& accountant);

}  // namespace starling::experiment
