#include "core/client/kubelet_connect.h"

#include "core/base/clock.h"
#include "core/http/url.h"

namespace bramble {

namespace {

std::string with_query(std::string path, const std::vector<std::pair<std::string, std::string>>& query) {
  const char* mark = "?";
  for (const auto& [name, value] : query) {
    path += cat(mark, name, "=", url_encode(value));
    mark = "&";
  }
  return path;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    std::optional<std::string> byte;
    if (text[i] == '%' && i + 2 < text.size()) byte = unhex(lower(text.substr(i + 1, 2)));
    if (byte) i += 2;
    out += byte ? *byte : std::string(1, text[i] == '+' ? ' ' : text[i]);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  for (std::string_view part : split(query, '&')) {
    if (part.empty()) continue;
    auto pair = cut(part, "=");
    out.emplace_back(decoded(pair ? pair->first : part), pair ? decoded(pair->second) : std::string());
  }
  return out;
}

bool is_on(std::string_view value) { return value == "1" || value == "true"; }

Result<int64_t> number_of(const std::string& name, const std::string& value) {
  auto n = parse_int64(value);
  if (!n) return Error(Code::kInvalidArgument, cat("strconv.ParseInt: parsing ", go_quote(value), ": invalid syntax"));
  if (*n < 0) return Error(Code::kInvalidArgument, cat(name, ": must be greater than or equal to 0"));
  return *n;
}

Status take_log_option(const std::string& name, const std::string& value, LogOptions* o) {
  if (name == "follow") o->follow = is_on(value);
  if (name == "previous") o->previous = is_on(value);
  if (name == "timestamps") o->timestamps = is_on(value);
  if (name == "stream") o->stream = value;
  if (name == "tailLines" && value != "all") {
    TRY_ASSIGN(o->tail_lines, number_of(name, value));
  }
  if (name == "sinceSeconds") {
    TRY_ASSIGN(o->since_seconds, number_of(name, value));
  }
  if (name == "limitBytes") {
    TRY_ASSIGN(o->limit_bytes, number_of(name, value));
  }
  if (name == "sinceTime") {
    o->since_time_us = parse_rfc3339(value);
    if (!o->since_time_us) return Error(Code::kInvalidArgument, cat("parsing time ", go_quote(value), ": cannot parse it as RFC 3339"));
  }
  return ok();
}

void take_command_option(const std::string& name, const std::string& value, ExecOptions* o) {
  if (name == "command") o->command.push_back(value);
  if (name == "input") o->stdin_on = is_on(value);
  if (name == "output") o->stdout_on = is_on(value);
  if (name == "error") o->stderr_on = is_on(value);
  if (name == "tty") o->tty = is_on(value);
}

}  // namespace

std::string KubeletPath::log(const LogOptions& o) const {
  std::vector<std::pair<std::string, std::string>> query;
  if (o.follow) query.emplace_back("follow", "true");
  if (o.previous) query.emplace_back("previous", "true");
  if (o.timestamps) query.emplace_back("timestamps", "true");
  if (o.tail_lines) query.emplace_back("tailLines", cat(*o.tail_lines));
  if (o.since_seconds) query.emplace_back("sinceSeconds", cat(*o.since_seconds));
  if (o.since_time_us) query.emplace_back("sinceTime", format_rfc3339_micro(*o.since_time_us));
  if (o.limit_bytes) query.emplace_back("limitBytes", cat(*o.limit_bytes));
  if (!o.stream.empty() && o.stream != "All") query.emplace_back("stream", o.stream);
  return with_query(cat("/containerLogs/", url_encode(pod.ns), "/", url_encode(pod.name), "/", url_encode(container)), query);
}

std::string KubeletPath::command(const ExecOptions& o) const {
  std::vector<std::pair<std::string, std::string>> query;
  for (const std::string& word : o.command) query.emplace_back("command", word);
  if (o.stdin_on) query.emplace_back("input", "1");
  if (o.stdout_on) query.emplace_back("output", "1");
  if (o.stderr_on) query.emplace_back("error", "1");
  if (o.tty) query.emplace_back("tty", "1");
  return with_query(cat(o.command.empty() ? "/attach/" : "/exec/", url_encode(pod.ns), "/", url_encode(pod.name), "/", url_encode(container)), query);
}

std::string KubeletPath::port_forward(const std::vector<std::string>& ports) const {
  std::vector<std::pair<std::string, std::string>> query;
  for (const std::string& port : ports) query.emplace_back("port", port);
  return with_query(cat("/portForward/", url_encode(pod.ns), "/", url_encode(pod.name)), query);
}

// With the pod's uid between pod and container too, as upstream's kubelet takes it.
Result<std::optional<KubeletAsk>> parse_kubelet_path(std::string_view path, std::string_view query) {
  if (!path.starts_with('/')) return std::optional<KubeletAsk>();
  std::vector<std::string> parts;
  for (std::string_view part : split(path.substr(1), '/')) parts.push_back(decoded(part));
  KubeletAsk ask;
  if (parts[0] == "containerLogs") ask.kind = KubeletAsk::kLog;
  else if (parts[0] == "exec") ask.kind = KubeletAsk::kExec;
  else if (parts[0] == "attach") ask.kind = KubeletAsk::kAttach;
  else if (parts[0] == "portForward") ask.kind = KubeletAsk::kPortForward;
  else return std::optional<KubeletAsk>();
  const bool forwards = ask.kind == KubeletAsk::kPortForward, logs = ask.kind == KubeletAsk::kLog;
  const size_t least = forwards ? 3 : 4;
  if (parts.size() < least || parts.size() > least + (logs ? 0 : 1)) return std::optional<KubeletAsk>();
  ask.pod = {parts[1], parts[2]};
  if (!forwards) ask.log.container = ask.command.container = parts.back();
  for (const auto& [name, value] : parse_query(query)) {
    if (logs) TRY(take_log_option(name, value, &ask.log));
    else if (forwards && name == "port") ask.ports.push_back(value);
    else if (!forwards) take_command_option(name, value, &ask.command);
  }
  if (ask.kind == KubeletAsk::kAttach) ask.command.command.clear();
  return std::optional<KubeletAsk>(std::move(ask));
}

}  // namespace bramble
