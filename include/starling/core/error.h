#pragma once
// What Starling throws. `Error` is anything a person can mend: its text names the place, the value,
// what is allowed and the nearest remedy. `InputError` is wrong input found at the border (files,
// flags, JSON); the program leaves with exit code 2 for it and 1 for any other error.

#include <stdexcept>
#include <string>

namespace starling {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class InputError : public Error {
 public:
  using Error::Error;
  // `place` is what a reader can open: "file: /json/pointer", "--flag", "file, byte 12".
  InputError(const std::string& place, const std::string& problem)
      : Error(place.empty() ? problem : place + ": " + problem) {}
};

}  // namespace starling
