#pragma once
// An orderly end on SIGINT (Ctrl-C) and SIGTERM: the first signal asks the run to stop after the
// present round, the second ends the process at once, as without Starling. What was written stays
// resumable either way.

#include <csignal>
#include <optional>

namespace starling {

// The signal that asked the run to stop, since the last InterruptGuard was made.
std::optional<int> interrupted();

// Listens while it lives; then the former handlers are back. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction former_interrupt_;
  struct sigaction former_terminate_;
};

// What a shell expects of a program that a signal ended: 130 for SIGINT, 143 for SIGTERM.
inline int exit_code_of(int signal) { return 128 + signal; }
// "SIGINT", "SIGTERM"
const char* signal_name(int signal);

}  // namespace starling
