#include "core/app/join_tokens.h"

#include <unistd.h>

#include "core/base/files.h"
#include "core/crypto/hash.h"

namespace bramble {
namespace {

constexpr size_t kPasswordBytes = 16;

std::string path_of(const std::string& data_dir, std::string_view file) { return cat(data_dir, "/server/", file); }

Result<std::string> given_password(const Flags& flags, const char* name) {
  std::string file_flag = cat(name, "-file"), text = flags.text(name);
  if (text.empty() && !flags.text(file_flag).empty()) {
    auto read = read_file(flags.text(file_flag));
    if (!read.ok()) return read.error().prefixed(cat("flag --", file_flag));
    text = std::string(trim(*read));
  }
  if (text.empty()) return std::string();
  auto token = parse_join_token(text);
  if (!token.ok()) return token.error().prefixed(cat("flag --", name));
  if (is_bootstrap_token(token->password)) return Error(Code::kInvalidArgument, cat("flag --", name, ": a bootstrap token cannot be a server's own"));
  return token->password;
}

// The token of the file, with another password if one was given, or a new one.
Result<JoinToken> keep(const std::string& path, const std::string& user, const std::string& ca_hash, const std::string& given, Random& random) {
  JoinToken out;
  out.ca_sha256_hex = ca_hash, out.user = user, out.password = given;
  if (out.password.empty() && path_exists(path)) {
    TRY_ASSIGN(std::string text, read_file(path));
    auto there = parse_join_token(text);
    if (!there.ok()) return there.error().prefixed(path);
    out.password = there->password;
  }
  if (out.password.empty()) out.password = random.hex_token(kPasswordBytes);
  TRY(replace_file_durably(path, out.text() + "\n", 0600));
  return out;
}

// node-token is what k3s's users look for.
Status link_node_token(const std::string& data_dir) {
  std::string path = path_of(data_dir, "node-token");
  if (path_exists(path)) return ok();
  unlink(path.c_str());  // one that leads nowhere
  if (symlink("agent-token", path.c_str()) != 0) return Error::from_errno(errno, path);
  return ok();
}

}  // namespace

Result<GivenTokens> read_given_tokens(const Flags& flags) {
  GivenTokens out;
  TRY_ASSIGN(out.server, given_password(flags, "token"));
  TRY_ASSIGN(out.agent, given_password(flags, "agent-token"));
  if (out.agent.empty()) out.agent = out.server;
  return out;
}

Result<JoinTokens> load_or_make_join_tokens(const std::string& data_dir, const std::string& ca_pem, const GivenTokens& given, Random& random) {
  JoinTokens out;
  std::string hash = sha256_hex(ca_pem);
  TRY_ASSIGN(out.server, keep(path_of(data_dir, "token"), "server", hash, given.server, random));
  TRY_ASSIGN(out.node, keep(path_of(data_dir, "agent-token"), "node", hash, given.agent, random));
  TRY(link_node_token(data_dir));
  return out;
}

Result<JoinToken> replace_node_token(const std::string& data_dir, std::string password, Random& random) {
  std::string path = path_of(data_dir, "agent-token");
  TRY_ASSIGN(std::string text, read_file(path));
  TRY_ASSIGN(JoinToken token, parse_join_token(text));
  token.password = password.empty() ? random.hex_token(kPasswordBytes) : std::move(password);
  TRY(replace_file_durably(path, token.text() + "\n", 0600));
  return token;
}

Result<std::string> full_token(const std::string& data_dir, std::string_view bootstrap_token) {
  TRY_ASSIGN(std::string text, read_file(path_of(data_dir, "agent-token")));
  TRY_ASSIGN(JoinToken token, parse_join_token(text));
  token.user.clear();
  token.password = bootstrap_token;
  return token.text();
}

}  // namespace bramble
