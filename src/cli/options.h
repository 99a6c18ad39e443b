#pragma once
// A value with a comma is one value: JSON after --set, a path.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <cxxopts.hpp>

#include <string>
#include <vector>

#include "starling/core/error.h"

namespace starling::cli {

// As cxxopts parses, with its complaints as InputError that name the help. No word is ignored.
inline cxxopts::ParseResult parse(cxxopts::Options& options, int argc, char** argv) {
  const std::string remedy = "; " + options.program() + " --help lists what there is";
  try {
    auto given = options.parse(argc, argv);
    if (given.unmatched().empty()) return given;
    const std::string& word = given.unmatched().front();
    const bool is_override = word.front() == '/' && word.find('=') != std::string::npos;
    throw InputError("\"" + word + "\" is one argument too many" +
                     (is_override ? "; write --set " + word : remedy));
  } catch (const cxxopts::exceptions::exception& problem) {
    throw InputError(problem.what() + remedy);
  }
}

// As wide as the pages of `starling privacy`.
inline constexpr size_t kHelpColumns = 98;

// The value of a flag, "" where it is not given.
inline std::string text_of(const cxxopts::ParseResult& given, const std::string& flag) {
  return given.count(flag) ? given[flag].as<std::string>() : "";
}

// The arguments of --set, in order.
inline std::vector<std::string> overrides_of(const cxxopts::ParseResult& given) {
  if (given.count("set") == 0) return {};
  return given["set"].as<std::vector<std::string>>();
}

}  // namespace starling::cli
