#pragma once
// The one place that says what hostile input may cost. Every test on files from strangers runs in a
// `Hostile` fixture: 2 GiB of address space for the whole process, and an end by SIGALRM where a
// test hangs. Under the address sanitizer, which reserves terabytes, memory is bounded by
// ASAN_OPTIONS=hard_rss_limit_mb=4096:max_allocation_size_mb=2048 instead (tests/run.sh and the
// asan preset set it).

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "data/idx_files.h"
#include "starling/core/error.h"

namespace starling::reliability {

inline constexpr rlim_t kAddressSpace = rlim_t{2} << 30;  // bytes
inline constexpr unsigned kHangSeconds = 120;             // not a speed target: a hang's end

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline void limit_address_space(rlim_t bytes = kAddressSpace) {
  if (kSanitized) return;
  const rlimit limit{bytes, bytes};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

// The most memory that the process has ever held, in bytes.
inline int64_t peak_memory() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

class Hostile : public ::testing::Test {
 protected:
  void SetUp() override {
    limit_address_space();
    alarm(kHangSeconds);
  }
  void TearDown() override { alarm(0); }

  testing_files::TemporaryFolder folder_;
};

// The text of the Error that `call` throws; any other exception, and none, are failures.
template <class Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not a starling::Error: " << error.what();
    return "";
  }
  ADD_FAILURE() << "accepted";
  return "";
}

}  // namespace starling::reliability
