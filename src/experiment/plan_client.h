#pragma once
#include <string>

#include "starling/experiment/plan.h"

namespace starling::experiment {

// Completes the plan by what the server does for client-level privacy: the noise is calibrated to
// the plan's rounds. Errors: InputError where no noise meets the target.
void plan_client_level(FederationPlan& plan, const Experiment& experiment,
                       const ClientPrivacy& privacy, const std::string& source);

}  // namespace starling::experiment
