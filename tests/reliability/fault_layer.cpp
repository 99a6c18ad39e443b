// Preloaded into a program under test, stands between it and the calls that change files below
// STARLING_FAULT_ROOT. Every such call is numbered from 1 and written to STARLING_FAULT_TRACE as
// "<number> <call> <path>". STARLING_FAULT is "kill:<number>", "term:<number>" or
// "int:<number>" (that signal before that call), "<ENOSPC or EIO>:<number>" (that call, and every
// one after it, fails so; "EIO" only flushes), or "clock" (the system's clock falls back by a day
// whenever it is read). With STARLING_FAULT_FILE, calls on paths with this end alone are numbered.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>

namespace {

std::atomic<long> calls{0};

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool below_root(const char* path) {
  const char* root = std::getenv("STARLING_FAULT_ROOT");
  return root != nullptr && path != nullptr && std::strncmp(path, root, std::strlen(root)) == 0;
}

bool path_of(int descriptor, char* path) {
  char link[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t size = readlink(link, path, PATH_MAX - 1);
  path[size > 0 ? size : 0] = '\0';
  return size > 0 && below_root(path);
}

void trace(long number, const char* call, const char* path) {
  const char* file = std::getenv("STARLING_FAULT_TRACE");
  if (file == nullptr) return;
  char line[PATH_MAX + 64];
  const int size = std::snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
  const auto descriptor =
      static_cast<int>(syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND, 0644));
  syscall(SYS_write, descriptor, line, size);
  syscall(SYS_close, descriptor);
}

bool is_numbered(const char* path) {
  const char* file = std::getenv("STARLING_FAULT_FILE");
  return file == nullptr || std::string_view(path).ends_with(file);
}

int signal_of(const char* fault) {
  if (std::strncmp(fault, "kill", 4) == 0) return SIGKILL;
  if (std::strncmp(fault, "term", 4) == 0) return SIGTERM;
  return std::strncmp(fault, "int", 3) == 0 ? SIGINT : 0;
}

// True where the call fails, with errno set.
bool strikes(const char* call, const char* path) {
  if (!is_numbered(path)) return false;
  const long number = ++calls;
  trace(number, call, path);
  const char* fault = std::getenv("STARLING_FAULT");
  const char* colon = fault == nullptr ? nullptr : std::strchr(fault, ':');
  if (colon == nullptr) return false;
  const long at = std::atol(colon + 1);
  if (number == at && signal_of(fault) != 0) syscall(SYS_kill, getpid(), signal_of(fault));
  if (number < at) return false;
  const bool flush = std::strstr(call, "sync") != nullptr;
  if (std::strncmp(fault, "EIO", 3) == 0 && flush) return (errno = EIO, true);
  if (std::strncmp(fault, "ENOSPC", 6) == 0 && std::strcmp(call, "write") == 0)
    return (errno = ENOSPC, true);
  return false;
}

timespec falling_clock() {
  static std::atomic<long> readings{0};
  constexpr long kDay = 86400;
  timespec now{};
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  now.tv_sec -= kDay * ++readings;
  return now;
}

bool clock_falls() {
  const char* fault = std::getenv("STARLING_FAULT");
  return fault != nullptr && std::strcmp(fault, "clock") == 0;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  if (clock != CLOCK_REALTIME || !clock_falls())
    return static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  *now = falling_clock();
  return 0;
}

time_t time(time_t* now) noexcept {
  timespec at{};
  clock_gettime(CLOCK_REALTIME, &at);
  if (now != nullptr) *now = at.tv_sec;
  return at.tv_sec;
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if ((flags & O_ACCMODE) != O_RDONLY && below_root(path) &&
      strikes((flags & O_EXCL) != 0 ? "open-exclusive" : "open", path))
    return -1;
  return next<int (*)(const char*, int, ...)>("open")(path, flags, mode);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  char path[PATH_MAX];
  if (path_of(descriptor, path) && strikes("write", path)) return -1;
  return next<ssize_t (*)(int, const void*, size_t)>("write")(descriptor, bytes, size);
}

int fsync(int descriptor) {
  char path[PATH_MAX];
  if (path_of(descriptor, path) && strikes("fsync", path)) return -1;
  return next<int (*)(int)>("fsync")(descriptor);
}

int fdatasync(int descriptor) {
  char path[PATH_MAX];
  if (path_of(descriptor, path) && strikes("fdatasync", path)) return -1;
  return next<int (*)(int)>("fdatasync")(descriptor);
}

int rename(const char* from, const char* to) {
  if (below_root(to) && strikes("rename", to)) return -1;
  return next<int (*)(const char*, const char*)>("rename")(from, to);
}

int ftruncate(int descriptor, off_t size) {
  char path[PATH_MAX];
  if (path_of(descriptor, path) && strikes("ftruncate", path)) return -1;
  return next<int (*)(int, off_t)>("ftruncate")(descriptor, size);
}

int truncate(const char* path, off_t size) {
  if (below_root(path) && strikes("truncate", path)) return -1;
  return next<int (*)(const char*, off_t)>("truncate")(path, size);
}
}
