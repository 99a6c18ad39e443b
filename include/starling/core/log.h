#pragma once
// The program's log. spdlog stays behind this header: LibTorch's include folder carries another
// fmt. Nothing logged here may hold a private value; see the privacy rules for metrics.

#include <string>

namespace starling::log {

enum class Level { debug, info, warning, error, off };

// Lines go to stderr from `level` up. May be called again.
void to_stderr(Level level);
// Adds a file that receives every line from debug up, until the program ends or another file is
// set.
void to_file(const std::string& path);
void close_file();

void debug(const std::string& message);
void info(const std::string& message);
void warning(const std::string& message);
void error(const std::string& message);

}  // namespace starling::log
