#include "starling/data/fetch.h"

#include <algorithm>
#include <filesystem>

#include "download.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"
#include "starling/data/archive.h"

namespace starling {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestFile = int64_t{1} << 32;

std::string place(const RemoteFile& file, const std::string& folder) {
  const fs::path path = fs::path(folder) / file.file;
  std::error_code problem;
  fs::create_directories(path.parent_path(), problem);
  if (problem) {
    throw Error(path.parent_path().string() + ": cannot be made: " + problem.message() +
                "; choose another folder by --data");
  }
  return path.string();
}

// What is wrong with these facts of a file; empty: nothing.
std::string complaint(const RemoteFile& file, int64_t bytes, const std::string& sha256) {
  if (file.bytes && bytes != *file.bytes) {
    return "expected " + std::to_string(*file.bytes) + " bytes, found " + std::to_string(bytes);
  }
  if (file.sha256 && sha256 != *file.sha256) {
    return "expected SHA-256 " + *file.sha256 + ", found " + sha256;
  }
  return "";
}

bool is_present(const RemoteFile& file, const std::string& path) {
  std::error_code problem;
  if (!fs::is_regular_file(path, problem)) return false;
  const auto bytes = static_cast<int64_t>(fs::file_size(path));
  return complaint(file, bytes, file.sha256 ? sha256_of_file(path) : "").empty();
}

FetchOutcome outcome(const RemoteFile& file) {
  return file.sha256 ? FetchOutcome::verified : FetchOutcome::unverified;
}

void fetch_from(const RemoteFile& file, const std::string& url, const std::string& path,
                const FetchProgress& progress) {
  Download download(path + ".tmp");
  download.run(url, file.bytes.value_or(kLargestFile), [&](int64_t done, int64_t total) {
    if (progress) progress(file.file, done, file.bytes.value_or(total));
  });
  const std::string problem = complaint(file, download.bytes(), sha256_of_file(path + ".tmp"));
  if (!problem.empty()) throw Error(problem);
  download.keep_as(path);
}

void keep_member(const RemoteFile& file, const std::string& folder, const std::string& bytes) {
  const std::string path = place(file, folder);
  const std::string problem =
      complaint(file, static_cast<int64_t>(bytes.size()), sha256_hex(bytes));
  if (!problem.empty()) throw Error(file.member + ": " + problem);
  write_file_atomically(path, bytes);
}

void unpack(const DatasetInfo& info, const std::string& archive, const std::string& folder) {
  if (info.archive_kind == ArchiveKind::zip) {
    for (const RemoteFile& file : info.files) {
      keep_member(file, folder, read_zip_member(archive, file.member, kLargestFile));
    }
    return;
  }
  std::vector<std::string> members;
  for (const RemoteFile& file : info.files) members.push_back(file.member);
  read_tar_gz_members(
      archive, members, kLargestFile, [&](const std::string& member, const std::string& bytes) {
        const auto file = std::find_if(info.files.begin(), info.files.end(),
                                       [&](const auto& f) { return f.member == member; });
        keep_member(*file, folder, bytes);
      });
}

std::vector<FetchedFile> fetch_archive(const DatasetInfo& info, const std::string& folder,
                                       const FetchProgress& progress) {
  std::vector<FetchedFile> fetched;
  for (const RemoteFile& file : info.files) {
    const std::string path = place(file, folder);
    if (is_present(file, path)) fetched.push_back({path, FetchOutcome::present});
  }
  if (fetched.size() == info.files.size()) return fetched;
  fetched.clear();
  const FetchedFile archive = fetch_file(info.archive, folder, progress);
  unpack(info, archive.path, folder);
  fs::remove(archive.path);
  for (const RemoteFile& file : info.files) {
    fetched.push_back({(fs::path(folder) / file.file).string(), outcome(file)});
  }
  return fetched;
}

}  // namespace

FetchedFile fetch_file(const RemoteFile& file, const std::string& folder,
                       const FetchProgress& progress) {
  const std::string path = place(file, folder);
  if (is_present(file, path)) return {path, FetchOutcome::present};
  std::string problems;
  for (const std::string& url : file.urls) {
    try {
      fetch_from(file, url, path, progress);
      return {path, outcome(file)};
    } catch (const Error& error) {
      problems.append("; ").append(url).append(": ").append(error.what());
    }
  }
  throw Error(file.file + ": no source gave the file" + problems);
}

std::vector<FetchedFile> fetch_dataset(const DatasetInfo& info, const std::string& folder,
                                       const FetchProgress& progress) {
  if (info.archive_kind != ArchiveKind::none) return fetch_archive(info, folder, progress);
  std::vector<FetchedFile> fetched;
  for (const RemoteFile& file : info.files) fetched.push_back(fetch_file(file, folder, progress));
  return fetched;
}

}  // namespace starling
