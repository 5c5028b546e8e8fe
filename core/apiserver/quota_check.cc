#include "core/apiserver/quota_check.h"

#include "core/base/strings.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

std::string shown(const ResourceAmounts& amounts, const ResourceAmounts& names) {
  std::vector<std::string> out;
  for (const auto& [name, amount] : only_named(amounts, names)) out.push_back(cat(name, "=", amount.text()));
  return join(out, ",");
}

bool applies(const QuotaEvaluator& evaluator, const QuotaState& quota, Value object) {
  return !evaluator.matching(quota.hard).empty() && evaluator.in_scopes(quota.object["spec"], object);
}

// Nothing, or why the quota's rules about the object itself, or its missing status, refuse it.
std::string unfit(const QuotaEvaluator& evaluator, const QuotaState& quota, Value object) {
  const std::vector<std::string> names = evaluator.matching(quota.hard);
  if (std::string missing = evaluator.missing(names, object); !missing.empty()) return cat("failed quota: ", quota.name, ": ", missing);
  for (const std::string& name : names) {
    if (!quota.used.count(name)) return cat("status unknown for quota: ", quota.name, ", resources: ", join(names, ","));
  }
  return {};
}

std::string exceeded(const QuotaState& quota, const ResourceAmounts& more) {
  ResourceAmounts over;
  for (const auto& [name, amount] : more) {
    Quantity sum = amount;
    if (auto used = quota.used.find(name); used != quota.used.end()) sum = used->second + amount;
    auto most = quota.hard.find(name);
    if (most != quota.hard.end() && sum > most->second) over[name] = sum;
  }
  if (over.empty()) return {};
  return cat("exceeded quota: ", quota.name, ", requested: ", shown(more, over), ", used: ", shown(quota.used, over), ", limited: ", shown(quota.hard, over));
}

}  // namespace

QuotaState::QuotaState(Document quota)
    : object(std::move(quota)),
      name(name_of(object)),
      hard(resource_amounts(object["status"]["hard"])),
      used(resource_amounts(object["status"]["used"])) {}

Result<std::vector<ResourceAmounts>> quota_charges(const std::vector<QuotaState>& quotas, const QuotaWrite& write) {
  std::vector<ResourceAmounts> charges(quotas.size());
  auto refuse = [&](std::string_view why) { return api_forbidden({write.kind->group, write.kind->resource}, write.name, why); };
  const std::optional<QuotaEvaluator> evaluator = QuotaEvaluator::of(*write.kind);
  if (!evaluator || !evaluator->handles(!write.old, write.subresource)) return charges;
  std::vector<size_t> concerned;
  for (size_t i = 0; i < quotas.size(); ++i) {
    if (!applies(*evaluator, quotas[i], write.object)) continue;
    if (std::string why = unfit(*evaluator, quotas[i], write.object); !why.empty()) return refuse(why);
    concerned.push_back(i);
  }
  if (concerned.empty()) return charges;
  const ResourceAmounts usage = evaluator->usage(write.object, write.now_us);
  std::vector<std::string> negative;
  for (const auto& [name, amount] : usage) {
    if (amount.negative()) negative.push_back(name);
  }
  if (!negative.empty()) return refuse(cat("quota usage is negative for resource(s): ", join(negative, ",")));
  for (size_t i : concerned) {
    const QuotaState& quota = quotas[i];
    const bool had = write.old && applies(*evaluator, quota, write.old);
    ResourceAmounts more = had ? growth(usage, evaluator->usage(write.old, write.now_us)) : usage;
    more = only_named(without_zeroes(std::move(more)), quota.hard);
    std::string why = write.subresource == "status" ? std::string() : exceeded(quota, more);
    if (!why.empty()) return refuse(why);
    charges[i] = std::move(more);
  }
  return charges;
}

}  // namespace bramble
