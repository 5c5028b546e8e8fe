// Flags: what every command takes, from where, and with which precedence. Names and rules are k3s's with the name changed:
// flags over environment over /etc/bramble/config.yaml.d/*.yaml (alphabetical, the last wins, "key+" appends) over
// /etc/bramble/config.yaml. YAML keys are flag names; repeatable flags are lists. Main thread, at start only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace bramble {

struct FlagSpec {
  enum class Kind { kText, kNumber, kSwitch, kList };
  std::string_view name;        // "data-dir"
  char letter = 0;              // 'd' or 0
  std::string_view environment;  // "BRAMBLE_DATA_DIR" or ""
  Kind kind = Kind::kText;
  std::string_view fallback;    // the default, as text
  std::string_view group;       // heading in --help
  std::string_view help;
  bool whole_values = false;    // of a list: a comma is part of a value, as in --kubelet-arg
};

class Flags {
 public:
  // The value of a flag that the command's table has; CHECKs that it does.
  const std::string& text(std::string_view name) const;
  int64_t number(std::string_view name) const;
  bool on(std::string_view name) const;
  const std::vector<std::string>& list(std::string_view name) const;
  bool given(std::string_view name) const;  // by flag, environment or file
  const std::vector<std::string>& arguments() const { return arguments_; }
  bool help() const { return help_; }

  using Environment = std::function<std::optional<std::string>(std::string_view)>;
  struct Source {
    std::span<const FlagSpec> specs;
    std::vector<std::string> argv;   // after the command's name
    Environment environment;
    bool reads_config = false;       // server and agent read the config file and its drop-ins
    std::string config_path = "/etc/bramble/config.yaml";  // moved by --config and BRAMBLE_CONFIG_FILE
    bool takes_arguments = false;
  };
  // kInvalidArgument names the flag or the file, and says what to do.
  static Result<Flags> read(const Source& source);

 private:
  struct Slot {
    std::vector<std::string> values;
    bool given = false;
  };
  const Slot& slot(std::string_view name) const;
  std::map<std::string, Slot, std::less<>> slots_;
  std::vector<std::string> arguments_;
  bool help_ = false;
};

// "Usage" text of one command: groups of flags with their environment variables and defaults.
std::string flags_help(std::string_view usage, std::string_view about, std::span<const FlagSpec> specs);

}  // namespace bramble
