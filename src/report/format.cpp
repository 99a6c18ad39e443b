#include "report/format.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace starling::report {
namespace {

std::string fixed(double value, int decimals) {
  char text[400];
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, decimals).ptr;
  return {text, end};
}

std::string two_digits(int64_t value) {
  const std::string text = std::to_string(value);
  return text.size() < 2 ? "0" + text : text;
}

}  // namespace

std::string number(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char text[64];
  std::string shortest(text, std::to_chars(text, text + sizeof text, value).ptr);
  const size_t exponent = shortest.find('e');
  if (exponent == std::string::npos) return shortest;
  const size_t digits = shortest.find_first_not_of("+-0", exponent + 1);
  const std::string sign = shortest[exponent + 1] == '-' ? "-" : "";
  return shortest.substr(0, exponent + 1) + sign + shortest.substr(digits);
}

std::string rounded(double value, int decimals) {
  return std::isinf(value) ? number(value) : fixed(value, decimals);
}

std::string rounded_up(double value, int decimals) {
  if (std::isinf(value)) return number(value);
  const std::string nearest = fixed(value, decimals);
  if (std::stod(nearest) >= value) return nearest;
  return fixed(std::stod(nearest) + std::pow(10.0, -decimals), decimals);
}

std::string significant(double value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, 5);
  return {text, end.ptr};
}

std::string rounded_up_significant(double value) {
  if (value == 0.0 || !std::isfinite(value)) return number(value);
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(value))) - 2);
  char text[64];
  const auto write = [&](double shown) {
    const auto end =
        std::to_chars(text, text + sizeof text, shown, std::chars_format::scientific, 2);
    return std::stod(std::string(text, end.ptr));
  };
  const double nearest = write(value);
  return number(nearest >= value ? nearest : write(value + unit));
}

std::string percent(double fraction, int decimals) {
  return fixed(100.0 * fraction, decimals) + " %";
}

std::string grouped(int64_t count) {
  const std::string digits = std::to_string(count);
  const size_t sign = count < 0 ? 1 : 0;
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 10) return rounded(seconds, 1) + " s";
  if (whole < 120) return std::to_string(whole) + " s";
  if (whole < 7200) return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + two_digits(whole / 60 % 60) + " min";
}

std::string plural(int64_t count, const std::string& noun) {
  return grouped(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace starling::report
