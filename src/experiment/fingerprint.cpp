#include "experiment/fingerprint.h"

#include <ATen/Version.h>
#include <torch/version.h>

#include "starling/core/hash.h"
#include "starling/core/random.h"

namespace starling::experiment {

Environment environment_of(const std::string& device, int64_t workers, int64_t ranks) {
  Environment environment = {{"starling", STARLING_VERSION},
                             {"libtorch", TORCH_VERSION},
                             {"cpu", at::get_cpu_capability()},
                             {"device", device},
                             {"binary", sha256_of_file("/proc/self/exe")},
                             {"workers", std::to_string(workers)}};
  if (ranks > 1) environment.emplace_back("ranks", std::to_string(ranks));
  return environment;
}

bool decides_bytes(const std::string& name) { return name != "workers" && name != "ranks"; }

std::string config_hash(const Json& resolved, const std::string& data_hash,
                        const Environment& environment) {
  Json all = Json::object({{"experiment", resolved}, {"data", data_hash}});
  for (const auto& [name, value] : environment)
    if (decides_bytes(name)) all[name] = value;
  return sha256_hex(all.dump());
}

std::string run_id(const Experiment& experiment, const std::string& config) {
  const bool repeatable =
      !is_private(experiment.privacy) || insecure_seed(experiment.privacy).has_value();
  return sha256_hex(repeatable ? config : RandomKey::from_system().to_hex()).substr(0, 16);
}

}  // namespace starling::experiment
