#include "core/apiserver/component_pages.h"

#include <ctime>
#include <set>

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/json/builder.h"
#include "core/json/yaml.h"

namespace bramble {
namespace {

constexpr std::string_view kComponent = "apiserver", kGroup = "config.k8s.io";

std::string unix_date(int64_t us) {
  const time_t seconds = us / 1000000;
  struct tm parts {};
  gmtime_r(&seconds, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%a %b %e %H:%M:%S UTC %Y", &parts));
}

std::string two(int64_t n) { return cat(n < 10 ? "0" : "", n); }

int64_t seconds_up(const ComponentFacts& facts) { return std::max<int64_t>(0, (facts.now_us - facts.started_us) / 1000000); }

std::string_view without_v(std::string_view version) { return version.substr(version.substr(0, 1) == "v" ? 1 : 0); }

// "1.36" of "1.36.3".
std::string_view minor_of(std::string_view version) {
  const size_t dot = version.find('.');
  return version.substr(0, dot == std::string_view::npos ? dot : version.find('.', dot + 1));
}

// The first part of each path, without the API itself.
std::set<std::string> folders(const std::vector<std::string>& paths) {
  static const std::set<std::string, std::less<>> kNotForDebugging = {"/apis", "/api", "/openid", "/openapi", "/.well-known"};
  std::set<std::string> out;
  for (const std::string& path : paths) {
    const std::string folder = path.substr(0, path.find('/', 1));
    if (folder.size() > 1 && !kNotForDebugging.count(folder)) out.insert(folder);
  }
  return out;
}

std::string text_page(std::string_view kind, const ComponentFacts& facts) {
  std::string out = cat("\n", kComponent, " ", lower(kind),
                        "\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for "
                        "debugging purposes only.\n");
  if (kind == "Flagz") {
    for (const auto& [name, value] : facts.flags) out += cat(name, ": ", value, "\n");
    return out;
  }
  const int64_t up = seconds_up(facts);
  const std::set<std::string> paths = folders(facts.paths);
  const std::string_view version = without_v(facts.version);
  return cat(out, "\nStarted: ", unix_date(facts.started_us), "\nUp: ", up / 3600, " hr ", two(up / 60 % 60), " min ", two(up % 60),
             " sec\nGo version: none\nBinary version: ", version, "\nEmulation version: ", minor_of(version), "\nPaths: ",
             join({paths.begin(), paths.end()}, " "), "\n");
}

Document document(std::string_view kind, std::string_view version, const ComponentFacts& facts) {
  Builder b;
  Mut o = b.root();
  o.set("kind", kind);
  o.set("apiVersion", cat(kGroup, "/", version));
  o.object("metadata").set("name", kComponent);
  if (kind == "Flagz") {
    for (const auto& [name, value] : facts.flags) o.object("flags").set(name, value);
    return b.finish();
  }
  o.set("startTime", format_rfc3339(facts.started_us));
  o.set("uptimeSeconds", seconds_up(facts));
  o.set("goVersion", "none");
  o.set("binaryVersion", without_v(facts.version));
  o.set("emulationVersion", minor_of(without_v(facts.version)));
  Mut paths = o.array("paths");
  for (const std::string& p : folders(facts.paths)) paths.append(p);
  return b.finish();
}

}  // namespace

std::string_view component_kind(std::string_view path) {
  return path == "/statusz" ? "Statusz" : path == "/flagz" ? "Flagz" : std::string_view();
}

Result<ComponentPage> component_page(std::string_view kind, std::string_view accept, const ComponentFacts& facts) {
  TRY_ASSIGN(ComponentAnswer answer, negotiate_component(accept, kGroup, kind));
  if (answer.version.empty()) return ComponentPage{"text/plain; charset=utf-8", text_page(kind, facts), {}};
  const Document d = document(kind, answer.version, facts);
  ComponentPage page;
  page.content_type = cat(name_of(answer.type), ";g=", kGroup, ";v=", answer.version, ";as=", kind);
  page.body = answer.type == MediaType::kYaml ? to_yaml(d.root()) : cat(d.root().dump(), "\n");
  if (answer.version == "v1alpha1")
    page.warning = cat("299 - \"This version of the ", lower(kind), " endpoint is deprecated. Please use a newer version.\"");
  return page;
}

}  // namespace bramble
