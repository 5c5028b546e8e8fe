// What pods may say for Windows, and what pods of Windows may not say (core/v1 validateWindows, validateWindowsHostProcessPod,
// validateWindowsSecurityContextOptions).
#include <algorithm>

#include "core/base/strings.h"
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

constexpr const char* kLists[] = {"initContainers", "containers", "ephemeralContainers"};
constexpr size_t kCredentialKib = 64;
constexpr size_t kDomainCharsMax = 256, kUserCharsMax = 104;

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// NetBIOS: up to 15 of letters, digits and a few marks, no dot in front.
bool is_netbios_name(std::string_view s) {
  constexpr std::string_view kRefused = "\\/:*?\"<>|.";
  if (s.empty() || s.size() > 15) return false;
  for (size_t i = 0; i < s.size(); ++i)
    if (kRefused.find(s[i]) != std::string_view::npos && (s[i] != '.' || i == 0)) return false;
  return true;
}

// A DNS name in which capitals are fine.
bool is_domain_name(std::string_view s) {
  for (std::string_view label : split(s, '.')) {
    if (label.empty() || label.size() > 63 || !is_letter_or_digit(label.front()) || !is_letter_or_digit(label.back())) return false;
    for (char c : label)
      if (!is_letter_or_digit(c) && c != '-') return false;
  }
  return true;
}

void validate_user_name(std::string_view name, const Path& at, FieldErrors& errors) {
  if (name.empty()) return errors.invalid(at, name, "runAsUserName cannot be an empty string");
  if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
    return errors.invalid(at, name, "runAsUserName cannot contain control characters");
  const auto parts = split(name, '\\');
  if (parts.size() > 2) return errors.invalid(at, name, "runAsUserName cannot contain more than one backslash");
  const bool has_domain = parts.size() == 2;
  const std::string_view domain = has_domain ? parts[0] : std::string_view(), user = parts.back();
  if (domain.size() >= kDomainCharsMax)
    errors.invalid(at, name, cat("runAsUserName's Domain length must be under ", kDomainCharsMax, " characters"));
  if (has_domain && !is_netbios_name(domain) && !is_domain_name(domain))
    errors.invalid(at, name, "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  if (user.empty())
    errors.invalid(at, name, "runAsUserName's User cannot be empty");
  else if (user.size() > kUserCharsMax)
    errors.invalid(at, name, cat("runAsUserName's User length must not be longer than ", kUserCharsMax, " characters"));
  if (!user.empty() && user.find_first_not_of(". ") == std::string_view::npos)
    errors.invalid(at, name, "runAsUserName's User cannot contain only periods or spaces");
  if (user.find_first_of("\"/\\:;|=,+*?<>@[]") != std::string_view::npos)
    errors.invalid(at, name, "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
}

// spec.securityContext and those of the containers, each with its path.
template <class F>
void each_container(Value spec, const Path& at, F visit) {
  for (const char* list : kLists)
    for (size_t i = 0; i < spec[list].size(); ++i) visit(spec[list].item(i)["securityContext"], at.at(list).at(i));
}

}  // namespace

void validate_windows_options(Value options, const Path& at, FieldErrors& errors) {
  if (!options.is_object()) return;
  if (options.has("gmsaCredentialSpecName"))
    add_invalid(at.at("gmsaCredentialSpecName"), options["gmsaCredentialSpecName"].str(),
                check_dns1123_subdomain(options["gmsaCredentialSpecName"].str()), errors);
  if (options.has("gmsaCredentialSpec")) {
    const std::string_view text = options["gmsaCredentialSpec"].str();
    if (text.empty())
      errors.invalid(at.at("gmsaCredentialSpec"), text, "gmsaCredentialSpec cannot be an empty string");
    else if (text.size() > kCredentialKib * 1024)
      errors.invalid(at.at("gmsaCredentialSpec"), text, cat("gmsaCredentialSpec size must be under ", kCredentialKib, " KiB"));
  }
  if (options.has("runAsUserName")) validate_user_name(options["runAsUserName"].str(), at.at("runAsUserName"), errors);
}

void validate_host_process(Value spec, const Path& at, FieldErrors& errors) {
  const Value of_pod = spec["securityContext"]["windowsOptions"]["hostProcess"];
  size_t containers = 0, host_processes = 0;
  each_container(spec, at, [&](Value security, const Path& path) {
    ++containers;
    const Value own = security["windowsOptions"]["hostProcess"];
    if (of_pod.is_bool() && own.is_bool() && of_pod.boolean() != own.boolean())
      errors.invalid_raw(path.at("securityContext").at("windowsOptions").at("hostProcess"), own.dump(),
                         cat("pod hostProcess value must be identical if both are specified, was ", of_pod.dump()));
    if (own.is_bool() ? own.boolean() : of_pod.boolean()) ++host_processes;
  });
  if (host_processes == 0) return;
  if (host_processes != containers)
    errors.invalid(at, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers");
  if (!spec["hostNetwork"].boolean())
    errors.invalid_raw(at.at("hostNetwork"), "false", "hostNetwork must be true if pod contains any hostProcess containers");
}

void refuse_windows_options(Value spec, const Path& at, FieldErrors& errors) {
  auto refuse = [&](Value security, const Path& path) {
    if (security["windowsOptions"].is_object())
      errors.forbidden(path.at("securityContext").at("windowsOptions"), "windows options cannot be set for a linux pod");
  };
  refuse(spec["securityContext"], at);
  each_container(spec, at, refuse);
}

void refuse_linux_fields(Value spec, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kRefused = "cannot be set for a windows pod";
  const Value security = spec["securityContext"];
  const Path here = at.at("securityContext");
  auto refuse = [&](Value v, const Path& path) {
    if (v.exists() && !v.is_null()) errors.forbidden(path, kRefused);
  };
  refuse(security["appArmorProfile"], here.at("appArmorProfile"));
  refuse(security["seLinuxOptions"], here.at("seLinuxOptions"));
  refuse(spec["hostUsers"], at.at("hostUsers"));
  for (const char* f : {"hostPID", "hostIPC"})
    if (spec[f].boolean()) errors.forbidden(at.at(f), kRefused);
  for (const char* f : {"seccompProfile", "fsGroup", "fsGroupChangePolicy"}) refuse(security[f], here.at(f));
  if (security["sysctls"].size() > 0) errors.forbidden(here.at("sysctls"), kRefused);
  refuse(spec["shareProcessNamespace"], at.at("shareProcessNamespace"));
  for (const char* f : {"runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"})
    refuse(security[f], here.at(f));
  each_container(spec, at, [&](Value own, const Path& path) {
    for (const char* f : {"appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
                          "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"})
      refuse(own[f], path.at("securityContext").at(f));
  });
}

}  // namespace bramble
