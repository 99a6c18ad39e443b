#pragma once
// The rules behind aggregate(); the number and the sizes of updates are checked before.

#include "starling/federated/robust.h"

namespace starling::robust {

using Updates = std::span<const std::span<const double>>;

std::vector<double> mean_of(Updates updates);
double norm_of(std::span<const double> values);

std::vector<double> krum(Updates updates, int64_t malicious);
std::vector<double> multi_krum(Updates updates, int64_t malicious, int64_t keep);
std::vector<double> bulyan(Updates updates, int64_t malicious);
std::vector<double> geometric_median(Updates updates, const GeometricMedianAggregation& spec);
std::vector<double> fltrust(Updates updates, std::span<const double> trusted);

}  // namespace starling::robust
