// Preloaded into a program under test, stands between it and the calls that change files below
// STARLING_FAULT_ROOT. Every such call is numbered from 1 and written to STARLING_FAULT_TRACE as
// "<number> <call> <path>". STARLING_FAULT is "kill:<number>" (SIGKILL instead of that call) or
// "<ENOSPC or EIO>:<number>" (that call, and every one after it, fails so; "EIO" only flushes).

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

// True where the call fails, with errno set.
bool strikes(const char* call, const char* path) {
  const long number = ++calls;
  trace(number, call, path);
  const char* fault = std::getenv("STARLING_FAULT");
  const char* colon = fault == nullptr ? nullptr : std::strchr(fault, ':');
  if (colon == nullptr) return false;
  const long at = std::atol(colon + 1);
  if (std::strncmp(fault, "kill", 4) == 0 && number == at) syscall(SYS_kill, getpid(), SIGKILL);
  if (number < at) return false;
  const bool flush = std::strstr(call, "sync") != nullptr;
  if (std::strncmp(fault, "EIO", 3) == 0 && flush) return (errno = EIO, true);
  if (std::strncmp(fault, "ENOSPC", 6) == 0 && std::strcmp(call, "write") == 0)
    return (errno = ENOSPC, true);
  return false;
}

}  // namespace

extern "C" {

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
