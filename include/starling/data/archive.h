#pragma once
// Single files out of zip and tar.gz archives, as data sets are published. Sizes are checked before
// memory is taken; nothing is ever written under a name that an archive chooses.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace starling {

// The bytes of one member, its CRC-32 verified. Members are stored or deflated; archives above 4
// GiB (zip64) and encrypted ones are refused. Errors: InputError where the archive is damaged or
// has no such member, or the member has more than `limit` bytes.
std::string read_zip_member(const std::string& archive, const std::string& member, uint64_t limit);

// Hands each of `members` to `take` in the order of the archive, which is read once. Errors:
// InputError where the archive is damaged, lacks one, or one has more than `limit` bytes.
void read_tar_gz_members(
    const std::string& archive, const std::vector<std::string>& members, uint64_t limit,
    const std::function<void(const std::string& member, std::string bytes)>& take);

}  // namespace starling
