#pragma once
// Downloads of data sets: mirrors in turn, size and SHA-256 checked, each file in place at once or
// not at all. A file that is present with the right checksum is not fetched again.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "starling/data/catalogue.h"

namespace starling {

// Bytes so far, and in all or 0 where that is unknown.
using FetchProgress = std::function<void(const std::string& file, int64_t done, int64_t total)>;

enum class FetchOutcome { present, verified, unverified };

struct FetchedFile {
  std::string path;
  FetchOutcome outcome;
};

// Fetches one file into `folder`. http, https and file URLs; redirects stay on http and https; a
// connection may take 20 s, a transfer below 1 kB/s is given up after 30 s; more bytes than
// described (4 GiB where that is unknown) end it. Errors: Error that says for each URL what went
// wrong.
FetchedFile fetch_file(const RemoteFile& file, const std::string& folder,
                       const FetchProgress& progress = {});

// All files of a set; members are taken out of the archive, which is then removed.
std::vector<FetchedFile> fetch_dataset(const DatasetInfo& info, const std::string& folder,
                                       const FetchProgress& progress = {});

}  // namespace starling
