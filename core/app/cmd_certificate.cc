// bramble certificate check|rotate: what certificates this machine has and when they end; and issuing the server's anew. Reads and
// moves files under <data-dir>/server/tls and <data-dir>/agent; asks nobody. A running server and a running agent renew by
// themselves (renewal.h, provision/join/join.h).
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "core/app/certificate_list.h"
#include "core/app/command.h"
#include "core/app/server_flags.h"
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

constexpr std::string_view kUsage = "bramble certificate check | rotate";
constexpr std::string_view kAbout =
    "Certificates of this machine.\n"
    "  check     lists them; the exit code is 1 when one has ended, or belongs to no authority here\n"
    "  rotate    puts the server's certificates aside, for all or for --service NAME: its next start issues them anew, with new\n"
    "            keys. The server must not run. Authorities stay as they are";

using Kind = FlagSpec::Kind;

const FlagSpec kOwnFlags[] = {
    {"output", 0, "", Kind::kText, "text", "Certificate", "of check: text, table or json"},
    {"service", 's', "", Kind::kList, "", "Certificate", "of rotate: admin, api-server, kubelet (all of them)"},
};

std::vector<FlagSpec> flags_of_certificate(bool shown) {
  std::vector<FlagSpec> out(std::begin(kOwnFlags), std::end(kOwnFlags));
  for (FlagSpec s : server_flags()) {
    if (shown && s.name != "config" && s.name != "data-dir") continue;
    if (s.letter == 's') s.letter = 0;
    out.push_back(s);
  }
  return out;
}

int check(const Flags& flags) {
  RealClock clock;
  auto listed = list_certificates(flags.text("data-dir"), clock.wall_us() / 1000000);
  if (listed.empty()) return fail(cat("certificate: none under ", flags.text("data-dir"), "; give --data-dir"));
  Builder json;
  Mut list = json.root().array("certificates");
  const bool as_json = flags.text("output") == "json";
  if (!as_json) std::printf("%-32s %-44s %-24s %-22s %-12s %s\n", "FILENAME", "SUBJECT", "USAGES", "EXPIRES", "RESIDUAL", "STATUS");
  bool good = true;
  for (const ListedCertificate& c : listed) {
    good = good && (c.status == "OK" || c.status == "RENEWAL DUE");
    std::string expires = format_rfc3339(c.not_after_s * 1000000);
    if (as_json) {
      Mut o = list.append_object();
      o.set("filename", c.file);
      o.set("subject", c.subject);
      o.set("usages", c.usages);
      o.set("expires", expires);
      o.set("status", c.status);
    } else {
      std::printf("%-32s %-44s %-24s %-22s %-12s %s\n", c.file.c_str(), c.subject.c_str(), c.usages.c_str(), expires.c_str(), c.residual.c_str(), c.status.c_str());
    }
  }
  if (as_json) std::printf("%s\n", json.dump().c_str());
  return good ? 0 : 1;
}

int rotate(const Flags& flags) {
  const std::string folder = flags.text("data-dir") + "/server/tls";
  struct Leaf {
    const char* service;
    const char* name;
  };
  constexpr Leaf kLeaves[] = {{"admin", "client-admin"}, {"api-server", "serving-kube-apiserver"}, {"kubelet", "serving-kubelet"}};
  const std::vector<std::string>& wanted = flags.list("service");
  for (const std::string& w : wanted) {
    bool known = std::any_of(std::begin(kLeaves), std::end(kLeaves), [&](const Leaf& l) { return w == l.service; });
    if (!known) return fail(cat("certificate: flag --service: ", go_quote(w), " is not admin, api-server or kubelet"));
  }
  std::string aside = cat(folder, "-", RealClock().wall_us() / 1000000);
  int moved = 0;
  for (const Leaf& l : kLeaves) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), l.service) == wanted.end()) continue;
    for (const char* end : {".crt", ".key"}) {
      std::string file = cat(l.name, end), from = cat(folder, "/", file);
      if (!path_exists(from)) continue;
      Status made = make_folders(aside, 0700);
      if (!made.ok()) return fail(cat("certificate: ", made.error().message()));
      if (rename(from.c_str(), cat(aside, "/", file).c_str()) != 0) return fail(cat("certificate: ", Error::from_errno(errno, from).message()));
      ++moved;
    }
  }
  if (moved == 0) return fail(cat("certificate: none of them under ", folder, "; give --data-dir"));
  std::printf("put aside in %s; start the server: it issues new ones\n", aside.c_str());
  return 0;
}

}  // namespace

int run_certificate(const std::vector<std::string>& argv) {
  std::vector<FlagSpec> specs = flags_of_certificate(false);
  Flags::Source source;
  source.specs = specs;
  source.argv = argv;
  source.environment = environment_variable;
  source.reads_config = true;
  source.takes_arguments = true;
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("certificate: ", flags.error().message()));
  if (flags->help()) {
    std::vector<FlagSpec> shown = flags_of_certificate(true);
    std::string text = flags_help(kUsage, kAbout, shown);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const auto& arguments = flags->arguments();
  if (arguments.size() == 1 && arguments[0] == "check") return check(*flags);
  if (arguments.size() == 1 && arguments[0] == "rotate") return rotate(*flags);
  return fail(cat("certificate: usage: ", kUsage));
}

}  // namespace bramble
