#include "download.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>

#include "starling/core/error.h"

namespace starling {
namespace {

using Progress = std::function<void(int64_t, int64_t)>;
using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

Handle new_handle() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  Handle handle(curl_easy_init(), &curl_easy_cleanup);
  if (!handle) throw Error("libcurl cannot start");
  return handle;
}

int report(void* progress, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
  (*static_cast<const Progress*>(progress))(done, total);
  return 0;
}

}  // namespace

Download::Download(std::string temporary) : temporary_(std::move(temporary)) {
  ::unlink(temporary_.c_str());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    throw Error(temporary_ + ": cannot be written: " + std::strerror(errno) +
                "; choose another folder by --data");
  }
}

Download::~Download() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

size_t Download::write(char* data, size_t size, size_t count, void* self) {
  auto& download = *static_cast<Download*>(self);
  const size_t length = size * count;
  if (download.bytes_ + static_cast<int64_t>(length) > download.limit_) {
    download.too_long_ = true;
    return 0;
  }
  for (size_t done = 0; done < length;) {
    const ssize_t written = ::write(download.descriptor_, data + done, length - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      download.unwritable_ = true;
      return 0;
    }
    done += static_cast<size_t>(written);
  }
  download.bytes_ += static_cast<int64_t>(length);
  return length;
}

void Download::run(const std::string& url, int64_t limit, const Progress& progress) {
  const Handle handle = new_handle();
  CURL* curl = handle.get();
  limit_ = limit;
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1000L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 30L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "starling");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Download::write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &report);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &progress);
  const CURLcode result = curl_easy_perform(curl);
  if (too_long_) throw Error("more than the " + std::to_string(limit) + " bytes expected");
  if (unwritable_) throw Error(temporary_ + ": cannot be written: the disk may be full");
  if (result != CURLE_OK) throw Error(reason[0] ? reason : curl_easy_strerror(result));
}

void Download::keep_as(const std::string& path) {
  if (::fsync(descriptor_) != 0) throw Error(temporary_ + ": cannot be flushed to the disk");
  ::close(descriptor_);
  descriptor_ = -1;
  std::error_code problem;
  std::filesystem::rename(temporary_, path, problem);
  if (problem) throw Error(path + ": cannot be put in place: " + problem.message());
}

}  // namespace starling
