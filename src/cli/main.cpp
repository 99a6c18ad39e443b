#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "starling/core/error.h"
#include "starling/core/json.h"
#include "starling/nn/memory.h"

namespace {

using starling::InputError;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(int, char**);
};

const std::vector<Command> kCommands = {
    {"run", "carry out an experiment", starling::cli::run_command},
    {"check", "validate an experiment and print its plan, without training",
     starling::cli::check_command},
    {"privacy", "answer questions about epsilon, delta, noise and steps",
     starling::cli::privacy_command},
    {"report", "print the report of a run and rewrite its page", starling::cli::report_command},
    {"distill", "compress the model of a run into a smaller one", starling::cli::distill_command},
    {"data", "list, show and fetch data sets", starling::cli::data_command},
};

constexpr int kFailed = 1;
constexpr int kWrongInput = 2;

void print_help(std::ostream& out) {
  out << "Private federated deep learning on LibTorch.\n\n"
         "  starling COMMAND [ARGUMENTS]\n\n";
  for (const auto& command : kCommands) {
    std::string name = command.name;
    name.resize(10, ' ');
    out << "  " << name << command.summary << "\n";
  }
  out << "\nstarling COMMAND --help explains one. Exit codes: 0 done, 1 failed, 2 wrong input.\n";
}

int dispatch(int argc, char** argv) {
  if (argc < 2) {
    print_help(std::cerr);
    return kWrongInput;
  }
  const std::string word = argv[1];
  if (word == "--help" || word == "-h" || word == "help") {
    print_help(std::cout);
    return 0;
  }
  if (word == "--version") {
    std::cout << "starling " << STARLING_VERSION << "\n";
    return 0;
  }
  std::vector<std::string> names;
  for (const auto& command : kCommands) {
    if (word == command.name) return command.run(argc - 1, argv + 1);
    names.emplace_back(command.name);
  }
  throw InputError("\"" + word + "\" is not a command" + starling::did_you_mean(word, names) +
                   "; starling --help lists them");
}

int complain(const char* problem, int code) {
  // LibTorch appends a stack of C++ frames after its first line.
  const std::string_view text = problem;
  std::cerr << "starling: " << text.substr(0, text.find('\n')) << "\n";
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  starling::reuse_memory();
  try {
    return dispatch(argc, argv);
  } catch (const InputError& problem) {
    return complain(problem.what(), kWrongInput);
  } catch (const std::exception& problem) {
    return complain(problem.what(), kFailed);
  }
}
