#include "starling/core/interrupt.h"

#include <atomic>

namespace starling {
namespace {

std::atomic<int> asked_by{0};
static_assert(std::atomic<int>::is_always_lock_free, "a handler may not wait");

// Either signal is deadly from now on.
extern "C" void ask_to_stop(int signal) {
  asked_by.store(signal);
  struct sigaction deadly {};
  deadly.sa_handler = SIG_DFL;
  ::sigaction(SIGINT, &deadly, nullptr);
  ::sigaction(SIGTERM, &deadly, nullptr);
}

// What the parent chose to ignore (nohup, a shell's background job) stays ignored.
void listen(int signal, struct sigaction& former) {
  struct sigaction polite {};
  polite.sa_handler = ask_to_stop;
  polite.sa_flags = SA_RESTART;
  ::sigaction(signal, nullptr, &former);
  if (former.sa_handler != SIG_IGN) ::sigaction(signal, &polite, nullptr);
}

}  // namespace

std::optional<int> interrupted() {
  const int signal = asked_by.load();
  return signal == 0 ? std::nullopt : std::optional(signal);
}

InterruptGuard::InterruptGuard() {
  asked_by.store(0);
  listen(SIGINT, former_interrupt_);
  listen(SIGTERM, former_terminate_);
}

InterruptGuard::~InterruptGuard() {
  ::sigaction(SIGINT, &former_interrupt_, nullptr);
  ::sigaction(SIGTERM, &former_terminate_, nullptr);
}

const char* signal_name(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

}  // namespace starling
