#include "starling/core/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "starling/core/error.h"

namespace starling::log {
namespace {

struct Sinks {
  std::shared_ptr<spdlog::sinks::sink> terminal =
      std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  std::shared_ptr<spdlog::sinks::sink> file;
};

Sinks& sinks() {
  static Sinks instance;
  return instance;
}

spdlog::level::level_enum native(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("starling", sinks().terminal);
    made.set_level(spdlog::level::debug);
    made.flush_on(spdlog::level::warn);
    sinks().terminal->set_level(spdlog::level::warn);
    sinks().terminal->set_pattern("%^%l%$: %v");
    return made;
  }();
  return instance;
}

void rebuild() {
  auto& all = logger().sinks();
  all = {sinks().terminal};
  if (sinks().file) all.push_back(sinks().file);
}

}  // namespace

void to_stderr(Level level) {
  logger();
  sinks().terminal->set_level(native(level));
}

void to_file(const std::string& path) {
  try {
    sinks().file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path, /*truncate=*/false);
  } catch (const spdlog::spdlog_ex& problem) {
    throw Error(path + ": the log cannot be opened: " + problem.what());
  }
  sinks().file->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  rebuild();
}

void close_file() {
  if (!sinks().file) return;
  sinks().file->flush();
  sinks().file.reset();
  rebuild();
}

void debug(const std::string& message) { logger().debug("{}", message); }
void info(const std::string& message) { logger().info("{}", message); }
void warning(const std::string& message) { logger().warn("{}", message); }
void error(const std::string& message) { logger().error("{}", message); }

}  // namespace starling::log
