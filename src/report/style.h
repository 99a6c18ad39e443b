#pragma once
#include <string_view>

namespace starling::report {

// The page's style sheet: light and dark by the reader's preference, and for print.
extern const std::string_view kStyle;

}  // namespace starling::report
