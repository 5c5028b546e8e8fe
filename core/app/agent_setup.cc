#include "core/app/agent_setup.h"

#include "core/app/node_flags.h"
#include "core/base/files.h"

namespace bramble {

namespace {

constexpr uint16_t kServerPort = 6443;

Result<Url> read_server(const Flags& flags) {
  const std::string& text = flags.text("server");
  if (text.empty()) return Error(Code::kInvalidArgument, "flag --server (BRAMBLE_URL) is required: the server to join, like https://HOST:6443");
  auto url = parse_url(text);
  if (!url.ok() || url->scheme != "https" || url->host.empty())
    return Error(Code::kInvalidArgument, cat("flag --server: ", go_quote(text), " is not like https://HOST:6443"));
  if (url->port == 0) url->port = kServerPort;
  return url;
}

// A flag goes before a file; the file ends with a new line.
Result<std::string> read_token(const Flags& flags) {
  if (!flags.text("token").empty()) return flags.text("token");
  const std::string& path = flags.text("token-file");
  if (path.empty()) return std::string();
  auto text = read_file(path);
  if (!text.ok()) return text.error().prefixed("flag --token-file");
  std::string token(trim(*text));
  if (token.empty()) return Error(Code::kInvalidArgument, cat("flag --token-file: ", path, " is empty"));
  return token;
}

}  // namespace

Result<AgentSetup> read_agent_setup(const Flags& flags, const OwnAddress& is_own_address) {
  AgentSetup s;
  TRY_ASSIGN(s.server, read_server(flags));
  TRY_ASSIGN(s.token, read_token(flags));
  TRY(read_node(flags, is_own_address, true, &s.node, &s.follows_address));
  s.node.external_addresses = flags.list("node-external-ip");
  for (const std::string& address : s.node.external_addresses) TRY(check_external_address(address));
  s.node.flannel_interface = flags.text("flannel-iface");
  return s;
}

}  // namespace bramble
