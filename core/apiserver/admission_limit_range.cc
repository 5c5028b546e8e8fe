#include "core/apiserver/admission_limit_range.h"

#include <algorithm>
#include <cstdio>
#include <functional>

#include "core/base/strings.h"
#include "core/resources/pod_view.h"
#include "core/schema/quantity.h"

namespace bramble {

namespace {

constexpr std::string_view kAnnotation = "kubernetes.io/limit-ranger";

const Quantity* find_amount(const ResourceAmounts& list, const std::string& name) {
  auto at = list.find(name);
  return at == list.end() ? nullptr : &at->second;
}

// One check: nothing, or what is wrong. `what` is "Container", "Pod" or "PersistentVolumeClaim".
std::string below_minimum(std::string_view what, const std::string& name, const Quantity& least, const Quantity* request,
                          const Quantity* limit) {
  std::string text = cat("minimum ", name, " usage per ", what, " is ", least.text());
  if (!request) return text + ".  No request is specified";
  if (*request < least) return cat(text, ", but request is ", request->text());
  if (limit && *limit < least) return cat(text, ", but limit is ", limit->text());
  return {};
}

std::string above_maximum(std::string_view what, const std::string& name, const Quantity& most, const Quantity* request,
                          const Quantity* limit) {
  std::string text = cat("maximum ", name, " usage per ", what, " is ", most.text());
  if (!limit) return text + ".  No limit is specified";
  if (*limit > most) return cat(text, ", but limit is ", limit->text());
  if (request && *request > most) return cat(text, ", but request is ", request->text());
  return {};
}

std::string above_ratio(std::string_view what, const std::string& name, const Quantity& most, const Quantity* request,
                        const Quantity* limit) {
  std::string text = cat(name, " max limit to request ratio per ", what, " is ", most.text(), ", but ");
  if (!request || request->is_zero()) return text + "no request is specified or request is 0";
  if (!limit || limit->is_zero()) return text + "no limit is specified or limit is 0";
  double ratio = static_cast<double>(limit->milli()) / static_cast<double>(request->milli());
  if (ratio * 1000 <= static_cast<double>(most.milli())) return {};
  char shown[64];
  std::snprintf(shown, sizeof shown, "%f", ratio);
  return cat(text, "provided ratio is ", shown);
}

void note(std::vector<std::string>& texts, std::string text) {
  if (!text.empty() && std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
}

void check_item(Value item, std::string_view what, const ResourceAmounts& requests, const ResourceAmounts& limits,
                std::vector<std::string>& texts) {
  using Check = std::string (*)(std::string_view, const std::string&, const Quantity&, const Quantity*, const Quantity*);
  const std::pair<const char*, Check> checks[] = {
      {"min", below_minimum}, {"max", above_maximum}, {"maxLimitRequestRatio", above_ratio}};
  for (const auto& [list, check] : checks) {
    for (const auto& [name, bound] : resource_amounts(item[list])) {
      note(texts, check(what, name, bound, find_amount(requests, name), find_amount(limits, name)));
    }
  }
}

// As Go prints an aggregate of errors.
std::string aggregate(const std::vector<std::string>& texts) {
  if (texts.size() < 2) return texts.empty() ? std::string() : texts[0];
  return cat("[", join(texts, ", "), "]");
}

std::string first_broken(const std::vector<Document>& limit_ranges,
                         const std::function<void(Value item, std::vector<std::string>& texts)>& check) {
  for (const Document& range : limit_ranges) {
    std::vector<std::string> texts;
    for (Value item : range["spec"]["limits"].items()) check(item, texts);
    if (!texts.empty()) return aggregate(texts);
  }
  return {};
}

// Gives a container what it leaves out; names what was given.
std::vector<std::string> fill(Mut container, const char* list, const ResourceAmounts& defaults) {
  std::vector<std::string> given;
  for (const auto& [name, amount] : defaults) {
    if (container["resources"][list].has(name)) continue;
    container.object("resources").object(list).set(name, amount.text());
    given.push_back(name);
  }
  return given;
}

}  // namespace

void default_from_limits(const std::vector<Document>& limit_ranges, Mut pod) {
  for (const Document& range : limit_ranges) {
    ResourceAmounts requests, limits;
    for (Value item : range["spec"]["limits"].items()) {
      if (item["type"].str() != "Container") continue;
      for (const auto& [name, amount] : resource_amounts(item["defaultRequest"])) requests[name] = amount;
      for (const auto& [name, amount] : resource_amounts(item["default"])) limits[name] = amount;
    }
    std::vector<std::string> told;
    for (const auto& [list, word] : {std::pair("containers", "container"), std::pair("initContainers", "init container")}) {
      for (Mut container : pod["spec"][list].items()) {
        std::vector<std::string> given_limits = fill(container, "limits", limits), given_requests = fill(container, "requests", requests);
        std::string_view name = container["name"].str();
        if (!given_requests.empty()) told.push_back(cat(join(given_requests, ", "), " request for ", word, " ", name));
        if (!given_limits.empty()) told.push_back(cat(join(given_limits, ", "), " limit for ", word, " ", name));
      }
    }
    if (told.empty()) continue;
    pod.object("metadata").object("annotations").set(kAnnotation, cat("LimitRanger plugin set: ", join(told, "; ")));
  }
}

std::string broken_pod_limits(const std::vector<Document>& limit_ranges, Value pod) {
  if (limit_ranges.empty()) return {};
  Builder copy;
  copy.root().set("spec", pod["spec"]);
  copy.root().object("spec").remove("overhead");
  const Document document = copy.finish();
  PodView view(document);
  return first_broken(limit_ranges, [&](Value item, std::vector<std::string>& texts) {
    std::string_view type = item["type"].str();
    if (type == "Pod") check_item(item, type, view.requests(), view.limits(), texts);
    if (type != "Container") return;
    for (Value list : {view.containers(), view.init_containers()}) {
      for (Value c : list.items()) {
        check_item(item, type, resource_amounts(c["resources"]["requests"]), resource_amounts(c["resources"]["limits"]), texts);
      }
    }
  });
}

std::string broken_claim_limits(const std::vector<Document>& limit_ranges, Value claim) {
  const ResourceAmounts requests = resource_amounts(claim["spec"]["resources"]["requests"]);
  return first_broken(limit_ranges, [&](Value item, std::vector<std::string>& texts) {
    std::string_view type = item["type"].str();
    if (type != "PersistentVolumeClaim") return;
    for (const auto& [name, least] : resource_amounts(item["min"])) {
      note(texts, below_minimum(type, name, least, find_amount(requests, name), nullptr));
    }
    for (const auto& [name, most] : resource_amounts(item["max"])) {
      const Quantity* request = find_amount(requests, name);
      if (!request) note(texts, cat("maximum ", name, " usage per ", type, " is ", most.text(), ".  No request is specified"));
      if (request && *request > most) note(texts, cat("maximum ", name, " usage per ", type, " is ", most.text(), ", but request is ", request->text()));
    }
  });
}

}  // namespace bramble
