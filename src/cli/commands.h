#pragma once
// The subcommands of the program. Each gets the arguments after its own name (argv[0] is the name)
// and returns the exit code; errors leave as exceptions, which main turns into one line.

namespace starling::cli {

int run_command(int argc, char** argv);
int check_command(int argc, char** argv);
int privacy_command(int argc, char** argv);
int report_command(int argc, char** argv);
int distill_command(int argc, char** argv);
int data_command(int argc, char** argv);
int data_partition(int argc, char** argv);  // of data_command

}  // namespace starling::cli
