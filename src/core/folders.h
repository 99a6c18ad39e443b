#pragma once
#include <string>

namespace starling {

// Makes the folder and those above it that are missing. Errors: InputError that says why not.
void create_folders(const std::string& path);

}  // namespace starling
