// Requests and limits (core/v1 ValidateResourceRequirements).
#include <algorithm>

#include "core/resources/autoscaler_rules.h"
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

constexpr std::string_view kHugePages = "hugepages-";

bool is_huge_pages(std::string_view name) { return name.substr(0, kHugePages.size()) == kHugePages; }

bool is_standard(std::string_view name) {
  static constexpr std::string_view kNames[] = {"cpu",
                                                "memory",
                                                "ephemeral-storage",
                                                "requests.cpu",
                                                "requests.memory",
                                                "requests.ephemeral-storage",
                                                "limits.cpu",
                                                "limits.memory",
                                                "limits.ephemeral-storage",
                                                "pods",
                                                "resourcequotas",
                                                "services",
                                                "replicationcontrollers",
                                                "secrets",
                                                "persistentvolumeclaims",
                                                "configmaps",
                                                "services.nodeports",
                                                "services.loadbalancers",
                                                "storage",
                                                "requests.storage"};
  return is_huge_pages(name) || std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

bool is_container_standard(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" || is_huge_pages(name);
}

// Huge pages come in whole pages, whose size is in the name.
void validate_pages(std::string_view name, Value amount, const Path& at, FieldErrors& errors) {
  if (!is_huge_pages(name)) return;
  const auto page = Quantity::parse(name.substr(kHugePages.size())), q = Quantity::parse(amount.is_string() ? amount.text() : amount.dump());
  if (!q.ok() || (page.ok() && page->value() > 0 && page->is_integer() && q->value() % page->value() == 0)) return;
  errors.invalid(at, q->text(), cat(q->text(), " is not positive integer multiple of ", name));
}

std::string amount_text(Value v) { return v.is_string() ? v.text() : v.dump(); }

}  // namespace

bool is_native_resource(std::string_view name) {
  return name.find('/') == std::string_view::npos || name.find("kubernetes.io/") != std::string_view::npos;
}

bool is_extended_resource_name(std::string_view name) {
  if (is_native_resource(name) || name.substr(0, 9) == "requests.") return false;
  return check_qualified_name(cat("requests.", name)).empty();
}

void validate_container_resource_name(std::string_view name, const Path& at, FieldErrors& errors) {
  validate_resource_name(name, at, errors);
  if (name.find('/') == std::string_view::npos) {
    if (!is_container_standard(name)) errors.invalid(at, name, "must be a standard resource for containers");
  } else if (!is_native_resource(name) && !is_extended_resource_name(name)) {
    errors.invalid(at, name, "doesn't follow extended resource name standard");
  }
}

bool is_overcommit_allowed(std::string_view name) { return is_native_resource(name) && !is_huge_pages(name); }

void validate_resource_name(std::string_view name, const Path& at, FieldErrors& errors) {
  const auto bad = check_qualified_name(name);
  add_invalid(at, name, bad, errors);
  if (!bad.empty()) return;
  if (name.find('/') == std::string_view::npos && !is_standard(name))
    errors.invalid(at, name, "must be a standard resource type or fully qualified");
}

void validate_resource_amount(std::string_view resource, Value amount, const Path& at, FieldErrors& errors) {
  const auto q = Quantity::parse(amount_text(amount));
  if (!q.ok()) return;  // canonical form has refused it already
  if (q->negative()) errors.invalid(at, amount_text(amount), kNotNegative);
  const bool whole = is_extended_resource_name(resource) || resource == "pods" || resource == "services" || resource == "secrets" ||
                     resource == "configmaps" || resource == "resourcequotas" || resource == "replicationcontrollers" ||
                     resource == "persistentvolumeclaims" || resource == "services.nodeports" ||
                     resource == "services.loadbalancers" || resource.substr(0, 6) == "count/";
  if (whole && q->milli() % 1000 != 0) errors.invalid(at, amount_text(amount), "must be an integer");
}

void validate_requirements(Value resources, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  const Value limits = resources["limits"], requests = resources["requests"];
  const Path limits_at = at.at("limits"), requests_at = at.at("requests");
  bool huge_pages = false, cpu_or_memory = false;
  auto look = [&](std::string_view name) {
    huge_pages = huge_pages || is_huge_pages(name);
    cpu_or_memory = cpu_or_memory || name == "cpu" || name == "memory";
  };
  for (auto [name, amount] : limits.members()) {
    const Path here = limits_at.key(name);
    validate_container_resource_name(name, here, errors);
    validate_resource_amount(name, amount, here, errors);
    validate_pages(name, amount, here, errors);
    look(name);
  }
  for (auto [name, amount] : requests.members()) {
    const Path here = requests_at.key(name);
    validate_container_resource_name(name, here, errors);
    validate_resource_amount(name, amount, here, errors);
    look(name);
    const Value limit = limits[name];
    if (!limit.exists()) {
      if (!is_overcommit_allowed(name))
        errors.required(limits_at, "Limit must be set for non overcommitable resources");
      continue;
    }
    const auto want = Quantity::parse(amount_text(amount)), most = Quantity::parse(amount_text(limit));
    if (!want.ok() || !most.ok()) continue;
    if (!is_overcommit_allowed(name) && !(*want == *most))
      errors.invalid(requests_at, amount_text(amount),
                     cat("must be equal to ", name, " limit of ", amount_text(limit)));
    else if (*want > *most)
      errors.invalid(requests_at, amount_text(amount),
                     cat("must be less than or equal to ", name, " limit of ", amount_text(limit)));
  }
  for (auto [name, amount] : requests.members()) validate_pages(name, amount, requests_at.key(name), errors);
  if (huge_pages && !cpu_or_memory) errors.forbidden(at, "HugePages require cpu or memory");
  const Value claims = resources["claims"];
  std::set<std::string> seen;
  for (size_t i = 0; i < claims.size(); ++i) {
    const Value claim = claims.item(i);
    const std::string_view name = claim["name"].str();
    if (name.empty()) {
      errors.required(at.at("claims").at(i));
      continue;
    }
    if (!seen.insert(cat(name, "/", claim["request"].str())).second) errors.duplicate(at.at("claims").at(i), name);
    if (!context.resource_claims.count(name)) {
      const std::vector<std::string> known(context.resource_claims.begin(), context.resource_claims.end());
      errors.add({"FieldValueNotFound", at.at("claims").at(i).text(),
                  cat("Not found: ", go_quote(name), ": must be one of the names in pod.spec.resourceClaims",
                      known.empty() ? " which is empty" : ": ", join(known, ", "))});
    }
  }
}

}  // namespace bramble
