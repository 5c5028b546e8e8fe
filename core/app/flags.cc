#include "core/app/flags.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>

#include "core/base/files.h"
#include "core/base/log.h"
#include "core/json/yaml.h"

namespace bramble {
namespace {

using Kind = FlagSpec::Kind;

const FlagSpec* find_spec(std::span<const FlagSpec> specs, std::string_view name) {
  for (const FlagSpec& s : specs)
    if (s.name == name) return &s;
  return nullptr;
}

Error bad(std::string text) { return Error(Code::kInvalidArgument, std::move(text)); }

Status check_value(const FlagSpec& spec, std::string_view value, std::string_view where) {
  if (spec.kind == Kind::kNumber && !parse_int64(value))
    return bad(cat(where, ": ", spec.name, " takes a whole number, not ", go_quote(value)));
  if (spec.kind == Kind::kSwitch && value != "true" && value != "false")
    return bad(cat(where, ": ", spec.name, " takes true or false, not ", go_quote(value)));
  return ok();
}

std::vector<std::string> to_list(const FlagSpec& spec, std::string_view text) {
  std::vector<std::string> out;
  if (spec.whole_values) {
    if (!trim(text).empty()) out.emplace_back(trim(text));
    return out;
  }
  for (auto part : split(text, ','))
    if (!trim(part).empty()) out.emplace_back(trim(part));
  return out;
}

struct Layer {
  std::map<std::string, std::vector<std::string>, std::less<>> values;
};

Result<std::string> scalar(Value v, std::string_view where, std::string_view key) {
  if (v.is_string()) return v.text();
  if (v.is_bool() || v.is_number()) return v.dump();
  if (v.is_null()) return std::string();
  return bad(cat(where, ": ", key, " takes a plain value, not a ", v.type_name()));
}

// One YAML file on top of what earlier files gave.
Status read_file_layer(const std::string& path, std::span<const FlagSpec> specs, Layer* layer) {
  TRY_ASSIGN(std::string text, read_file(path));
  if (trim(text).empty()) return ok();
  auto parsed = parse_yaml(text);
  if (!parsed.ok()) return parsed.error().prefixed(path);
  Value root = parsed->root();
  if (root.is_null() || !root.exists()) return ok();
  if (!root.is_object()) return bad(cat(path, ": must be a mapping of flag names to values"));
  for (auto [raw_key, value] : root.members()) {
    bool append = !raw_key.empty() && raw_key.back() == '+';
    std::string key(append ? raw_key.substr(0, raw_key.size() - 1) : raw_key);
    const FlagSpec* spec = find_spec(specs, key);
    // As in k3s, a key that the command does not have is told and passed over: a file may be older or newer than the binary.
    if (!spec) {
      log_warning(path, ": unknown key ", key, ", ignored; see --help");
      continue;
    }
    std::vector<std::string> values;
    if (value.is_array()) {
      if (spec->kind != Kind::kList) return bad(cat(path, ": ", key, " takes one value, not a list"));
      for (Value item : value.items()) {
        TRY_ASSIGN(std::string one, scalar(item, path, key));
        values.push_back(std::move(one));
      }
    } else {
      TRY_ASSIGN(std::string one, scalar(value, path, key));
      TRY(check_value(*spec, one, path));
      if (spec->kind == Kind::kList) values = to_list(*spec, one);
      else values.push_back(std::move(one));
    }
    auto& slot = layer->values[key];
    if (append && spec->kind == Kind::kList) slot.insert(slot.end(), values.begin(), values.end());
    else slot = std::move(values);
  }
  return ok();
}

std::vector<std::string> drop_ins(const std::string& directory) {
  std::vector<std::string> out;
  DIR* d = opendir(directory.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d)) {
    std::string_view name = e->d_name;
    if (name.ends_with(".yaml") || name.ends_with(".yml")) out.push_back(cat(directory, "/", name));
  }
  closedir(d);
  std::sort(out.begin(), out.end());
  return out;
}

struct Given {
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::vector<std::string> arguments;
  bool help = false;
};

Result<Given> read_argv(const Flags::Source& source) {
  Given out;
  for (size_t i = 0; i < source.argv.size(); i++) {
    std::string_view arg = source.argv[i];
    if (arg == "--") {
      for (i++; i < source.argv.size(); i++) out.arguments.push_back(source.argv[i]);
      break;
    }
    if (arg == "--help" || arg == "-h") {
      out.help = true;
      continue;
    }
    if (arg.size() < 2 || arg[0] != '-') {
      if (!source.takes_arguments) return bad(cat("unexpected argument ", go_quote(arg), "; see --help"));
      out.arguments.emplace_back(arg);
      continue;
    }
    bool is_long = arg.starts_with("--");
    std::string_view body = arg.substr(is_long ? 2 : 1);
    std::optional<std::string> value;
    if (auto parts = cut(body, "=")) {
      value = std::string(parts->second);
      body = parts->first;
    }
    const FlagSpec* spec = nullptr;
    for (const FlagSpec& s : source.specs)
      if (s.name == body || (!is_long && body.size() == 1 && s.letter == body[0])) spec = &s;
    if (!spec) return bad(cat("unknown flag ", arg, "; see --help"));
    if (!value && spec->kind == Kind::kSwitch) value = "true";
    if (!value) {
      if (i + 1 >= source.argv.size()) return bad(cat("flag --", spec->name, " needs a value"));
      value = source.argv[++i];
    }
    TRY(check_value(*spec, *value, cat("flag --", spec->name)));
    auto& slot = out.values[std::string(spec->name)];
    if (spec->kind == Kind::kList) {
      for (auto& one : to_list(*spec, *value)) slot.push_back(std::move(one));
    } else {
      slot = {*value};
    }
  }
  return out;
}

}  // namespace

Result<Flags> Flags::read(const Source& source) {
  TRY_ASSIGN(Given given, read_argv(source));
  Flags out;
  out.help_ = given.help;
  out.arguments_ = std::move(given.arguments);

  Layer files;
  if (source.reads_config && !given.help) {
    std::string path = source.config_path;
    bool named = true;
    if (auto it = given.values.find("config"); it != given.values.end()) path = it->second.front();
    else if (auto env = source.environment("BRAMBLE_CONFIG_FILE"); env && !env->empty()) path = *env;
    else named = false;
    if (named || path_exists(path)) TRY(read_file_layer(path, source.specs, &files));
    for (const std::string& file : drop_ins(path + ".d")) TRY(read_file_layer(file, source.specs, &files));
  }

  for (const FlagSpec& spec : source.specs) {
    Slot slot;
    slot.given = true;
    std::optional<std::string> env;
    if (!spec.environment.empty()) env = source.environment(spec.environment);
    if (auto it = given.values.find(spec.name); it != given.values.end()) {
      slot.values = it->second;
    } else if (env && !env->empty()) {
      TRY(check_value(spec, *env, cat("environment ", spec.environment)));
      slot.values = spec.kind == Kind::kList ? to_list(spec, *env) : std::vector<std::string>{*env};
    } else if (auto file = files.values.find(spec.name); file != files.values.end()) {
      slot.values = file->second;
    } else {
      slot.given = false;
      if (spec.kind != Kind::kList) slot.values = {std::string(spec.fallback)};
      else slot.values = to_list(spec, spec.fallback);
    }
    out.slots_.emplace(spec.name, std::move(slot));
  }
  return out;
}

const Flags::Slot& Flags::slot(std::string_view name) const {
  auto it = slots_.find(name);
  CHECK(it != slots_.end(), "flag ", name);
  return it->second;
}
const std::string& Flags::text(std::string_view name) const {
  const Slot& s = slot(name);
  CHECK(!s.values.empty(), "flag ", name);
  return s.values.front();
}
int64_t Flags::number(std::string_view name) const { return parse_int64(text(name)).value_or(0); }
bool Flags::on(std::string_view name) const { return text(name) == "true"; }
const std::vector<std::string>& Flags::list(std::string_view name) const { return slot(name).values; }
bool Flags::given(std::string_view name) const { return slot(name).given; }

std::string flags_help(std::string_view usage, std::string_view about, std::span<const FlagSpec> specs) {
  std::string out = cat(about, "\n\nUsage:\n  ", usage, "\n");
  std::string_view group;
  for (const FlagSpec& s : specs) {
    if (s.group != group) {
      group = s.group;
      out += cat("\n", group, ":\n");
    }
    std::string left = cat("  ", s.letter ? cat("-", s.letter, ", ") : std::string("    "), "--", s.name);
    if (s.kind == Kind::kNumber) left += " N";
    if (s.kind == Kind::kText) left += " TEXT";
    if (s.kind == Kind::kList) left += s.whole_values ? " NAME=VALUE" : " A,B";
    if (left.size() < 38) left.append(38 - left.size(), ' ');
    else left += "  ";
    out += cat(left, s.help);
    if (!s.fallback.empty() && s.fallback != "false") out += cat(" (", s.fallback, ")");
    if (!s.environment.empty()) out += cat(" [", s.environment, "]");
    out += "\n";
  }
  out += "\n  -h, --help                          this text\n";
  return out;
}

}  // namespace bramble
