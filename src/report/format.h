#pragma once
// Numbers as people read them. Bounds are only ever rounded up.

#include <cstdint>
#include <string>

namespace starling::report {

// The shortest text that reads back as the same number: "0.1", "1e-5", "inf".
std::string number(double value);
// Never below `value`: rounded_up(7.991, 2) is "8.00". "inf" for infinity.
std::string rounded_up(double value, int decimals);
// Three significant digits, never below `value`: "1.24e-7".
std::string rounded_up_significant(double value);
std::string rounded(double value, int decimals);
std::string significant(double value);                       // five digits: "837.57", "1.2346e+09"
std::string percent(double fraction, int decimals = 2);      // "97.31 %"
std::string grouped(int64_t count);                          // "199,210"
std::string duration(double seconds);                        // "42 s", "3 min 05 s", "2 h 07 min"
std::string plural(int64_t count, const std::string& noun);  // "1 round", "2 rounds"

}  // namespace starling::report
