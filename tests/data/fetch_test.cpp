#include "starling/data/fetch.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "data/idx_files.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"
#include "starling/data/archive.h"

namespace starling {
namespace {

using namespace testing_files;
using testing::AllOf;
using testing::HasSubstr;

// Serves fixed answers on a free loopback port, one connection at a time, until it is destroyed.
class LocalServer {
 public:
  explicit LocalServer(std::map<std::string, std::string> answers)
      : answers_(std::move(answers)), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~LocalServer() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int requests() const { return requests_; }

  static std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }

 private:
  void serve() {
    for (;;) {
      const int connection = ::accept(socket_, nullptr, nullptr);
      if (connection < 0) return;
      ++requests_;
      answer(connection);
      ::close(connection);
    }
  }
  void answer(int connection) {
    std::string request;
    char bytes[1024];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(connection, bytes, sizeof(bytes), 0);
      if (got <= 0) return;
      request.append(bytes, static_cast<size_t>(got));
    }
    const size_t begin = request.find(' ') + 1;
    const auto found = answers_.find(request.substr(begin, request.find(' ', begin) - begin));
    const std::string reply = found != answers_.end()
                                  ? found->second
                                  : "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n";
    for (size_t sent = 0; sent < reply.size();) {
      const ssize_t n = ::send(connection, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<size_t>(n);
    }
  }

  std::map<std::string, std::string> answers_;
  int socket_;
  uint16_t port_ = 0;
  std::atomic<int> requests_{0};
  std::thread thread_;
};

template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

RemoteFile remote(const std::string& body, std::vector<std::string> urls) {
  RemoteFile file;
  file.file = "set/file.gz";
  file.urls = std::move(urls);
  file.bytes = static_cast<int64_t>(body.size());
  file.sha256 = sha256_hex(body);
  return file;
}

size_t files_below(const std::string& folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    count += entry.is_regular_file();
  }
  return count;
}

const std::string kBody = gzip(idx_images(300));

TEST(Fetch, FileUrlIsVerifiedPutInPlaceAndThenFoundPresent) {
  const TemporaryFolder source, folder;
  const auto file = remote(kBody, {"file://" + source.write("origin.gz", kBody)});
  const FetchedFile fetched = fetch_file(file, folder.path());
  EXPECT_EQ(fetched.outcome, FetchOutcome::verified);
  EXPECT_EQ(fetched.path, folder.path("set/file.gz"));
  EXPECT_EQ(read_file(fetched.path), kBody);
  EXPECT_EQ(files_below(folder.path()), 1u);
  std::filesystem::remove(source.path("origin.gz"));
  EXPECT_EQ(fetch_file(file, folder.path()).outcome, FetchOutcome::present);
}

TEST(Fetch, HttpReportsProgressUpToTheWhole) {
  const LocalServer server({{"/a", LocalServer::ok(kBody)}});
  const TemporaryFolder folder;
  int64_t most = 0;
  const auto fetched = fetch_file(remote(kBody, {server.url("/a")}), folder.path(),
                                  [&](const std::string&, int64_t done, int64_t total) {
                                    most = std::max(most, done);
                                    EXPECT_EQ(total, static_cast<int64_t>(kBody.size()));
                                  });
  EXPECT_EQ(fetched.outcome, FetchOutcome::verified);
  EXPECT_EQ(most, static_cast<int64_t>(kBody.size()));
}

TEST(Fetch, MirrorsAreTriedInTurn) {
  const LocalServer server({{"/wrong", LocalServer::ok(std::string(kBody.size(), 'x'))},
                            {"/right", LocalServer::ok(kBody)}});
  const TemporaryFolder folder;
  const auto file = remote(kBody, {server.url("/absent"), server.url("/wrong"),
                                   server.url("/right"), server.url("/never")});
  EXPECT_EQ(read_file(fetch_file(file, folder.path()).path), kBody);
  EXPECT_EQ(server.requests(), 3);
}

TEST(Fetch, RedirectsAreFollowedButNotToLocalFiles) {
  const TemporaryFolder source, folder;
  const auto redirect = [](const std::string& to) {
    return "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: " + to +
           "\r\n\r\n";
  };
  const auto local = "file://" + source.write("origin.gz", kBody);
  const LocalServer server(
      {{"/a", LocalServer::ok(kBody)}, {"/to-a", redirect("/a")}, {"/to-file", redirect(local)}});
  EXPECT_THAT(error_of([&] { fetch_file(remote(kBody, {server.url("/to-file")}), folder.path()); }),
              HasSubstr("no source gave the file"));
  EXPECT_EQ(fetch_file(remote(kBody, {server.url("/to-a")}), folder.path()).outcome,
            FetchOutcome::verified);
}

TEST(Fetch, FailuresNameEverySourceAndLeaveNothing) {
  const std::string truncated = LocalServer::ok(kBody).substr(0, 200);
  const LocalServer server({{"/wrong", LocalServer::ok(std::string(kBody.size(), 'x'))},
                            {"/short", LocalServer::ok(kBody.substr(1))},
                            {"/long", LocalServer::ok(kBody + "x")},
                            {"/cut", truncated}});
  const TemporaryFolder folder;
  const auto problem = error_of([&] {
    fetch_file(remote(kBody, {server.url("/absent"), server.url("/wrong"), server.url("/short"),
                              server.url("/long"), server.url("/cut"), "gopher://127.0.0.1/x",
                              "file:///absent/file"}),
               folder.path());
  });
  EXPECT_THAT(problem,
              AllOf(HasSubstr("set/file.gz: no source gave the file"), HasSubstr("404"),
                    HasSubstr("expected SHA-256"),
                    HasSubstr("expected " + std::to_string(kBody.size()) + " bytes, found"),
                    HasSubstr("more than the"), HasSubstr("/cut: "), HasSubstr("gopher"),
                    HasSubstr("file:///absent/file: ")));
  EXPECT_EQ(problem.find('\n'), std::string::npos);
  EXPECT_EQ(files_below(folder.path()), 0u);
}

TEST(Fetch, ADamagedFileIsReplacedAndAGoodOneSurvivesAFailure) {
  const TemporaryFolder source, folder;
  const auto file = remote(kBody, {"file://" + source.write("origin.gz", kBody)});
  folder.write("set/file.gz", "damaged");
  EXPECT_EQ(fetch_file(file, folder.path()).outcome, FetchOutcome::verified);
  EXPECT_EQ(read_file(folder.path("set/file.gz")), kBody);
  RemoteFile newer = remote(kBody + "2", {"file:///absent/file"});
  EXPECT_NE(error_of([&] { fetch_file(newer, folder.path()); }), "no error");
  EXPECT_EQ(read_file(folder.path("set/file.gz")), kBody);
}

TEST(Fetch, WithoutAChecksumTheOutcomeSaysUnverified) {
  const TemporaryFolder source, folder;
  RemoteFile file = remote(kBody, {"file://" + source.write("origin.gz", kBody)});
  file.sha256.reset();
  EXPECT_EQ(fetch_file(file, folder.path()).outcome, FetchOutcome::unverified);
}

TEST(Fetch, AFolderThatCannotBeWrittenNamesTheRemedy) {
  const TemporaryFolder folder;
  const std::string file = folder.write("plain", "x");
  EXPECT_THAT(error_of([&] { fetch_file(remote(kBody, {"file:///x"}), file); }),
              HasSubstr("choose another folder by --data"));
}

std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value);
  return text;
}

struct Member {
  std::string name, body;
  bool deflated;
};

std::string zip_of(const std::vector<Member>& members) {
  std::string bytes, directory;
  for (const Member& member : members) {
    const auto packed = member.deflated ? deflated(member.body, -MAX_WBITS) : member.body;
    const auto crc =
        crc32_z(0, reinterpret_cast<const Bytef*>(member.body.data()), member.body.size());
    const std::string common = little(0, 2) + little(member.deflated ? 8 : 0, 2) + little(0, 4) +
                               little(crc, 4) + little(packed.size(), 4) +
                               little(member.body.size(), 4) + little(member.name.size(), 2) +
                               little(0, 2);
    directory += little(0x02014b50, 4) + little(20, 2) + little(20, 2) + common + little(0, 10) +
                 little(bytes.size(), 4) + member.name;
    bytes += little(0x04034b50, 4) + little(20, 2) + common + member.name + packed;
  }
  const size_t at = bytes.size();
  return bytes + directory + little(0x06054b50, 4) + little(0, 4) + little(members.size(), 2) +
         little(members.size(), 2) + little(directory.size(), 4) + little(at, 4) + little(0, 2);
}

std::string tar_of(const std::vector<Member>& members) {
  std::string bytes;
  for (const Member& member : members) {
    char size[13], sum[8];
    std::snprintf(size, sizeof(size), "%011zo", member.body.size());
    std::string block(512, '\0');
    block.replace(0, member.name.size(), member.name).replace(124, 12, size, 12);
    block.replace(148, 8, "        ").replace(156, 1, "0");
    unsigned total = 0;
    for (char byte : block) total += static_cast<uint8_t>(byte);
    std::snprintf(sum, sizeof(sum), "%06o", total);
    block.replace(148, 7, sum, 7);
    bytes += block + member.body + std::string((512 - member.body.size() % 512) % 512, '\0');
  }
  return bytes + std::string(1024, '\0');
}

const std::vector<Member> kMembers = {{"pack/one", kBody, false},
                                      {"pack/other", std::string(5000, 'o'), true},
                                      {"pack/two", std::string(2048, 't'), true}};

DatasetInfo packed_set(ArchiveKind kind, const std::string& archive, const std::string& url) {
  DatasetInfo info;
  info.name = "packed";
  info.archive_kind = kind;
  info.archive = remote(archive, {url});
  info.archive.file = "set/archive";
  for (const Member* member : {&kMembers[0], &kMembers[2]}) {
    RemoteFile file = remote(member->body, {});
    file.file = "set/" + member->name.substr(5);
    file.member = member->name;
    info.files.push_back(file);
  }
  return info;
}

TEST(Fetch, MembersOfZipAndTarArchivesAreKeptAndTheArchiveIsNot) {
  const std::string zip = zip_of(kMembers), tar = gzip(tar_of(kMembers));
  for (const auto& [kind, archive] :
       {std::pair{ArchiveKind::zip, zip}, {ArchiveKind::tar_gz, tar}}) {
    const TemporaryFolder source, folder;
    const auto url = "file://" + source.write("origin", archive);
    const DatasetInfo info = packed_set(kind, archive, url);
    const auto fetched = fetch_dataset(info, folder.path());
    ASSERT_EQ(fetched.size(), 2u);
    EXPECT_EQ(fetched[1].outcome, FetchOutcome::verified);
    EXPECT_EQ(read_file(folder.path("set/one")), kMembers[0].body);
    EXPECT_EQ(read_file(folder.path("set/two")), kMembers[2].body);
    EXPECT_EQ(files_below(folder.path()), 2u);
    std::filesystem::remove(source.path("origin"));
    EXPECT_EQ(fetch_dataset(info, folder.path())[0].outcome, FetchOutcome::present);
  }
}

TEST(Fetch, AMemberOfAnotherContentIsNotKept) {
  const TemporaryFolder source, folder;
  auto members = kMembers;
  members[0].body[0] ^= 1;
  const std::string zip = zip_of(members);
  const auto info = packed_set(ArchiveKind::zip, zip, "file://" + source.write("origin", zip));
  EXPECT_THAT(error_of([&] { fetch_dataset(info, folder.path()); }),
              HasSubstr("pack/one: expected SHA-256"));
  EXPECT_FALSE(std::filesystem::exists(folder.path("set/one")));
}

// Every mutation of an archive gives the member's very bytes or an Error.
void mutate_archive(bool zip, const std::string& seed) {
  const TemporaryFolder folder;
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = seed;
    for (uint32_t k = 0; k <= random() % 2; ++k) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const auto path = folder.write("mutant", bytes);
    try {
      if (zip) {
        EXPECT_EQ(read_zip_member(path, "pack/two", 1 << 20), kMembers[2].body);
      } else {
        read_tar_gz_members(path, {"pack/two"}, 1 << 20, [](const auto&, const std::string&) {});
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Archive, MutationsOfZipGiveTheMemberOrAnError) { mutate_archive(true, zip_of(kMembers)); }
TEST(Archive, MutationsOfTarGiveTheMemberOrAnError) {
  mutate_archive(false, gzip(tar_of(kMembers)));
}
TEST(Archive, MutationsOfAnUnpackedTarAreBounded) { mutate_archive(false, tar_of(kMembers)); }

TEST(Archive, MissingAndOversizedMembersAreRefused) {
  const TemporaryFolder folder;
  const auto zip = folder.write("a.zip", zip_of(kMembers));
  const auto tar = folder.write("a.tar.gz", gzip(tar_of(kMembers)));
  const auto ignore = [](const std::string&, const std::string&) {};
  EXPECT_THAT(error_of([&] { read_zip_member(zip, "absent", 100); }),
              HasSubstr("no member absent"));
  EXPECT_THAT(error_of([&] { read_zip_member(zip, "pack/two", 100); }), HasSubstr("2048 bytes"));
  EXPECT_THAT(error_of([&] { read_tar_gz_members(tar, {"absent"}, 100, ignore); }),
              HasSubstr("no member absent"));
  EXPECT_THAT(error_of([&] { read_tar_gz_members(tar, {"pack/two"}, 100, ignore); }),
              HasSubstr("2048 bytes"));
  EXPECT_THAT(error_of([&] { read_zip_member(folder.write("x", "words"), "x", 100); }),
              HasSubstr("not a zip archive"));
}

}  // namespace
}  // namespace starling
