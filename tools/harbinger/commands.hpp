#pragma once

/// Subcommands of `harbinger` that parse their own command line. `argv[0]` is "harbinger NAME", the
/// options follow. Each returns an exit code of app/exit_code.hpp, answers --help itself, and ends
/// cleanly at Ctrl-C.

namespace harbinger {

int run_campaign(int argc, char** argv); ///< campaign.cpp
int run_demo(int argc, char** argv);     ///< demo.cpp
int run_bench(int argc, char** argv);    ///< bench.cpp
int run_dataset(int argc, char** argv);  ///< dataset.cpp
int run_train(int argc, char** argv);    ///< train.cpp
int run_evaluate(int argc, char** argv); ///< evaluate.cpp
int run_simulate(int argc, char** argv); ///< simulate.cpp

} // namespace harbinger
