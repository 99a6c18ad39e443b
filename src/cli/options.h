#pragma once
// A value with a comma is one value: JSON after --set, a path.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <cxxopts.hpp>

#include <string>
#include <vector>

#include "starling/core/error.h"

namespace starling::cli {

// As cxxopts parses, with its complaints as InputError that name the help.
inline cxxopts::ParseResult parse(cxxopts::Options& options, int argc, char** argv) {
  try {
    return options.parse(argc, argv);
  } catch (const cxxopts::exceptions::exception& problem) {
    throw InputError(std::string(problem.what()) + "; " + options.program() +
                     " --help lists what there is");
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
