#pragma once
// The flags of each `starling privacy` question, and their strict reading.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/privacy_question.h"
#include "starling/core/json.h"

namespace starling::cli {

// The whole of `text` as a number, "inf" where the interval holds infinity. Errors: InputError.
double parse_number(const std::string& place, const std::string& text, Interval allowed);
// Also whole numbers such as 1e6.
int64_t parse_integer(const std::string& place, const std::string& text, int64_t low, int64_t high);

class PrivacyFlags {
 public:
  // Errors: InputError for a flag this question does not have (with the nearest), a flag without
  // its value or given twice, or a word that is no flag.
  PrivacyFlags(Asked asked, int argc, char** argv);
  ~PrivacyFlags();

  bool help_wanted() const { return given("help"); }
  std::string help() const;
  bool given(const std::string& flag) const;
  std::optional<std::string> word(const std::string& flag) const;
  std::optional<double> number(const std::string& flag, Interval allowed) const;
  std::optional<int64_t> integer(const std::string& flag, int64_t low, int64_t high) const;
  // Errors: InputError naming the first of `others` that was given too.
  void refuse_beside(const std::string& flag, const std::vector<std::string>& others) const;

 private:
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace starling::cli
