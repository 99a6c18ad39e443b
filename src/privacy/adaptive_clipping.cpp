#include "starling/privacy/adaptive_clipping.h"

#include <cmath>
#include <string>

#include "starling/core/error.h"
#include "starling/privacy/event_json.h"

namespace starling {

double adaptive_clipping_noise_multiplier(double noise_multiplier, double bit_noise_multiplier) {
  if (!(noise_multiplier > 0.0)) {
    throw InputError("noise_multiplier", number_text(noise_multiplier) + " is outside (0, inf]");
  }
  if (!(2.0 * bit_noise_multiplier > noise_multiplier)) {
    throw InputError("bit_noise_multiplier",
                     number_text(bit_noise_multiplier) + " must exceed noise_multiplier / 2 = " +
                         number_text(noise_multiplier / 2.0) +
                         ": the count of clipped contributions alone spends more than the pair");
  }
  const double ratio = noise_multiplier / (2.0 * bit_noise_multiplier);
  return noise_multiplier / std::sqrt((1.0 - ratio) * (1.0 + ratio));
}

}  // namespace starling
