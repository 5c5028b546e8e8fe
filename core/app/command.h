// Command: one subcommand of the binary: flags, steps, output. One file each (cmd_<name>.cc), all listed in bramble_main.cc.
// run() gives the process's exit code; errors are one line on standard error that says what and what to do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bramble {

struct Command {
  std::string_view name;
  std::string_view about;  // one line
  int (*run)(const std::vector<std::string>& argv);  // argv: what follows the command's name
};

std::vector<Command> all_commands();  // bramble_main.cc

int run_server(const std::vector<std::string>& argv);        // cmd_server.cc
int run_agent(const std::vector<std::string>& argv);         // cmd_agent.cc
int run_images(const std::vector<std::string>& argv);        // cmd_images.cc
int run_backup(const std::vector<std::string>& argv);        // cmd_backup.cc
int run_token(const std::vector<std::string>& argv);         // cmd_token.cc
int run_node(const std::vector<std::string>& argv);          // cmd_node.cc
int run_certificate(const std::vector<std::string>& argv);   // cmd_certificate.cc
int run_secrets_encrypt(const std::vector<std::string>& argv);  // cmd_secrets_encrypt.cc
int run_check_config(const std::vector<std::string>& argv);  // cmd_check_config.cc
int run_completion(const std::vector<std::string>& argv);    // cmd_completion.cc

std::optional<std::string> environment_variable(std::string_view name);

// Prints "bramble: message" and gives 1.
int fail(std::string_view message);

}  // namespace bramble
