// bramble token create|list|delete|rotate|generate: the tokens by which nodes join, asked of the running server over its local
// socket (AccessApi); generate only thinks one up.
#include <signal.h>

#include <cstdio>

#include "core/app/access_api.h"
#include "core/app/command.h"
#include "core/app/local_call.h"
#include "core/app/server_flags.h"
#include "core/base/limits.h"
#include "core/http/url.h"
#include "core/loop/loop.h"
#include "core/schema/go_time.h"

namespace bramble {
namespace {

constexpr std::string_view kUsage = "bramble token create [TOKEN] | list | delete ID... | rotate | generate";
constexpr std::string_view kAbout =
    "Tokens by which nodes join the cluster.\n"
    "  create    makes one that ends by itself, and prints it\n"
    "  list      those there are\n"
    "  delete    ends one before its time\n"
    "  rotate    makes the lasting node token (DATA-DIR/server/node-token) another one; who has joined is not concerned\n"
    "  generate  prints one that is not in use; give it to: bramble token create TOKEN";

using Kind = FlagSpec::Kind;

const FlagSpec kOwnFlags[] = {
    {"ttl", 0, "", Kind::kText, "24h0m0s", "Token", "time to live of a new token; 0: it never ends"},
    {"description", 0, "", Kind::kText, "", "Token", "what it is for"},
    {"groups", 0, "", Kind::kText, "system:bootstrappers:bramble:default-node-token", "Token", "groups of who joins by it, with commas"},
    {"usages", 0, "", Kind::kText, "signing,authentication", "Token", "what it may be used for"},
    {"new-token", 0, "", Kind::kText, "", "Token", "of rotate: the node token from now on (a new one)"},
    {"output", 'o', "", Kind::kText, "text", "Token", "of list: text or json"},
};

std::vector<FlagSpec> flags_of_token(bool shown) {
  std::vector<FlagSpec> out(std::begin(kOwnFlags), std::end(kOwnFlags));
  for (FlagSpec s : server_flags()) {  // the config file may hold any of them
    bool ours = s.name == "config" || s.name == "data-dir" || s.name == "run-dir";
    if (shown && !ours) continue;
    if (s.letter == 'o') s.letter = 0;
    out.push_back(s);
  }
  return out;
}

struct Call {
  std::string method, target;
};

Task<void> ask_server(std::string socket, std::vector<Call> calls, std::function<void(Value)> show, int* exit_code, Loop* loop) {
  for (const Call& call : calls) {
    auto answer = co_await call_local(socket, call.method, call.target, nullptr);
    if (!answer.ok()) *exit_code = fail(cat("token: ", answer.error().message()));
    else show(answer->root());
  }
  loop->stop();
}

int ask(const Flags& flags, std::vector<Call> calls, std::function<void(Value)> show) {
  signal(SIGPIPE, SIG_IGN);
  Loop loop;
  int exit_code = 0;
  TaskGroup tasks;
  tasks.start(ask_server(flags.text("run-dir") + "/server.sock", std::move(calls), std::move(show), &exit_code, &loop));
  if (tasks.size() > 0) loop.run();
  return exit_code;
}

void print_line(std::string_view text) { std::printf("%.*s\n", static_cast<int>(text.size()), text.data()); }

std::string joined(Value list) {
  std::string out;
  for (Value v : list.items()) out += cat(out.empty() ? "" : ",", v.str());
  return out.empty() ? std::string("<none>") : out;
}

void print_table(Value answer) {
  std::printf("%-8s %-22s %-24s %-30s %s\n", "ID", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS");
  for (Value t : answer["tokens"].items()) {
    std::string expires = t["expires"].text(t["ended"].boolean() ? "<invalid>" : "<never>");
    std::printf("%-8s %-22s %-24s %-30s %s\n", t["id"].text().c_str(), expires.c_str(), joined(t["usages"]).c_str(), t["description"].text("<none>").c_str(), joined(t["groups"]).c_str());
  }
}

int create(const Flags& flags, const std::string& token) {
  int64_t ttl_s = 0;
  if (flags.text("ttl") != "0") {
    auto ns = parse_go_duration(flags.text("ttl"));
    if (!ns || *ns < 0) return fail(cat("token: flag --ttl: ", go_quote(flags.text("ttl")), " is not a duration like 24h or 30m"));
    ttl_s = *ns / 1000000000;
    if (*ns > 0 && ttl_s == 0) return fail("token: flag --ttl: must be a second at least, or 0");
  }
  std::string target = cat("/v1/tokens?ttl_s=", ttl_s, "&token=", url_encode(token), "&description=", url_encode(flags.text("description")),
                           "&usages=", url_encode(flags.text("usages")), "&groups=", url_encode(flags.text("groups")));
  return ask(flags, {{"POST", target}}, [](Value answer) { print_line(answer["token"].str()); });
}

}  // namespace

int run_token(const std::vector<std::string>& argv) {
  std::vector<FlagSpec> specs = flags_of_token(false);
  Flags::Source source;
  source.specs = specs;
  source.argv = argv;
  source.environment = environment_variable;
  source.reads_config = true;
  source.takes_arguments = true;
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("token: ", flags.error().message()));
  if (flags->help()) {
    std::vector<FlagSpec> shown = flags_of_token(true);
    std::string text = flags_help(kUsage, kAbout, shown);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const auto& arguments = flags->arguments();
  const std::string action = arguments.empty() ? std::string() : arguments[0];
  if (action == "generate" && arguments.size() == 1) {
    RealRandom random;
    print_line(new_bootstrap_token(random));
    return 0;
  }
  if (action == "create" && arguments.size() <= 2) return create(*flags, arguments.size() == 2 ? arguments[1] : std::string());
  if (action == "list" && arguments.size() == 1) {
    const bool json = flags->text("output") == "json";
    return ask(*flags, {{"GET", "/v1/tokens"}}, [json](Value answer) { json ? print_line(answer.dump()) : print_table(answer); });
  }
  if (action == "delete" && arguments.size() >= 2) {
    std::vector<Call> calls;
    for (size_t i = 1; i < arguments.size(); ++i) calls.push_back({"DELETE", cat("/v1/tokens?id=", url_encode(arguments[i]))});
    return ask(*flags, std::move(calls), [](Value) {});
  }
  if (action == "rotate" && arguments.size() == 1) {
    return ask(*flags, {{"POST", cat("/v1/tokens/rotate?password=", url_encode(flags->text("new-token")))}}, [](Value answer) { print_line(answer["token"].str()); });
  }
  return fail(cat("token: usage: ", kUsage));
}

}  // namespace bramble
