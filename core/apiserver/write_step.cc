#include "core/apiserver/write_step.h"

#include "core/registry/api_status.h"

namespace bramble {

namespace {

std::string key_of_write(const Kind& kind, std::string_view verb, std::string_view subresource, std::string_view ns,
                         std::string_view name, std::string_view body) {
  std::string resource = cat(verb, " ", kind.resource, subresource.empty() ? "" : "/", subresource);
  return cat(Quarantine::key_of(resource, ns, name), " #", content_mark(body));
}

}  // namespace

WriteStep::WriteStep(Registry& registry, const Kind& kind, std::string_view verb, std::string_view subresource,
                     std::string_view ns, std::string_view name, std::string_view body)
    : kind_(kind),
      name_(name),
      step_(registry.options().quarantine, "apiserver", key_of_write(kind, verb, subresource, ns, name, body), [&] {
        return Quarantine::About{0, name.empty() ? Document() : registry.get(kind, ns, name)};
      }) {}

Error WriteStep::refusal() const {
  return api_forbidden({kind_.group, kind_.resource}, name_,
                       "it is quarantined: this very request ended the server twice; change it, or see bramble check-config");
}

}  // namespace bramble
