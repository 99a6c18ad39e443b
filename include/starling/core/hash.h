#pragma once
// SHA-256 (FIPS 180-4), for checksums of files, ids of configurations and the ledger's chain.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace starling {

using Sha256 = std::array<uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
std::string hex(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
std::string sha256_of_file(const std::string& path);

}  // namespace starling
