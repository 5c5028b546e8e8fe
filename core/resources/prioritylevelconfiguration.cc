// PriorityLevelConfiguration: how many seats a priority level has, what it lends, and what becomes of who finds none
// (k8s.io/kubernetes, pkg/apis/flowcontrol/validation).
#include <cmath>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/flow_spec.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

constexpr int64_t kQueuesMax = 10 * 1000 * 1000;
constexpr int kHashBits = 60;  // of which shuffle sharding deals a hand
constexpr std::string_view kRoundTrip = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

void default_level(Mut o) {
  Mut spec = o.object("spec");
  Mut limited = spec["limited"];
  if (limited.is_object()) {
    if (!limited.has("nominalConcurrencyShares")) limited.set("nominalConcurrencyShares", 30);
    default_int(limited, "lendablePercent", 0);
    if (Mut queuing = limited["limitResponse"]["queuing"]; queuing.is_object()) {
      if (queuing["queues"].integer() == 0) queuing.set("queues", 64);
      if (queuing["handSize"].integer() == 0) queuing.set("handSize", 8);
      if (queuing["queueLengthLimit"].integer() == 0) queuing.set("queueLengthLimit", 50);
    }
  }
  if (Mut exempt = spec["exempt"]; exempt.is_object()) {
    default_int(exempt, "nominalConcurrencyShares", 0);
    default_int(exempt, "lendablePercent", 0);
  }
}

void validate_percent(Value percent, const Path& at, FieldErrors& errors) {
  if (percent.exists() && (percent.integer() < 0 || percent.integer() > 100))
    errors.invalid(at, percent.integer(), "must be between 0 and 100, inclusive");
}

void validate_queuing(Value queuing, const Path& at, FieldErrors& errors) {
  const int64_t length = queuing["queueLengthLimit"].integer(), queues = queuing["queues"].integer(), hand = queuing["handSize"].integer();
  if (length <= 0) errors.invalid(at.at("queueLengthLimit"), length, "must be positive");
  if (queues <= 0) errors.invalid(at.at("queues"), queues, "must be positive");
  else if (queues > kQueuesMax) errors.invalid(at.at("queues"), queues, cat("must not be greater than ", kQueuesMax));
  if (hand <= 0) return errors.invalid(at.at("handSize"), hand, "must be positive");
  if (hand > queues) return errors.invalid(at.at("handSize"), hand, cat("should not be greater than queues (", queues, ")"));
  if (std::ceil(std::log2(static_cast<double>(queues)) * static_cast<double>(hand)) > kHashBits)
    errors.invalid(at.at("handSize"), hand,
                   cat("required entropy bits of deckSize ", queues, " and handSize ", hand, " should not be greater than ", kHashBits));
}

void validate_response(Value response, const Path& at, FieldErrors& errors) {
  const std::string_view type = response["type"].str();
  const Value queuing = response["queuing"];
  if (type == "Reject") {
    if (queuing.is_object()) errors.forbidden(at.at("queuing"), "must be nil if limited.limitResponse.type is not Limited");
  } else if (type == "Queue") {
    if (queuing.is_object()) validate_queuing(queuing, at.at("queuing"), errors);
    else errors.required(at.at("queuing"), "must not be empty if limited.limitResponse.type is Limited");
  } else {
    errors.not_supported(at.at("type"), type, {"Queue", "Reject"});
  }
}

void validate_shares(Value shares, const Path& at, FieldErrors& errors) {
  if (shares.integer() < 0) errors.invalid(at, shares.integer(), "must be a non-negative integer");
}

void validate_limited(Value limited, const Path& at, FieldErrors& errors) {
  validate_shares(limited["nominalConcurrencyShares"], at.at("nominalConcurrencyShares"), errors);
  validate_response(limited["limitResponse"], at.at("limitResponse"), errors);
  validate_percent(limited["lendablePercent"], at.at("lendablePercent"), errors);
  const Value borrowed = limited["borrowingLimitPercent"];
  if (borrowed.integer() < 0) errors.invalid(at.at("borrowingLimitPercent"), borrowed.integer(), "if specified, must be a non-negative integer");
}

void validate_exempt(Value exempt, const Path& at, FieldErrors& errors) {
  validate_shares(exempt["nominalConcurrencyShares"], at.at("nominalConcurrencyShares"), errors);
  validate_percent(exempt["lendablePercent"], at.at("lendablePercent"), errors);
}

void validate_spec(Value spec, std::string_view name, const Path& at, FieldErrors& errors) {
  const std::string_view type = spec["type"].str();
  const Value limited = spec["limited"], exempt = spec["exempt"];
  if ((name == "exempt") != (type == "Exempt")) errors.invalid(at.at("type"), type, "type must be 'Exempt' if and only if name is 'exempt'");
  if (type == "Exempt") {
    if (limited.is_object()) errors.forbidden(at.at("limited"), "must be nil if the type is not Limited");
    if (exempt.is_object()) validate_exempt(exempt, at.at("exempt"), errors);
  } else if (type == "Limited") {
    if (exempt.is_object()) errors.forbidden(at.at("exempt"), "must be nil if the type is Limited");
    if (limited.is_object()) validate_limited(limited, at.at("limited"), errors);
    else errors.required(at.at("limited"), "must not be empty when type is Limited");
  } else {
    errors.not_supported(at.at("type"), type, {"Exempt", "Limited"});
  }
}

// Of what everybody relies on admins may change one thing: what the level "exempt" lends.
void validate_fixed(Value spec, std::string_view name, const Path& at, FieldErrors& errors) {
  const Document fixed = mandatory_level_spec(name);
  if (!fixed) return;
  const bool exempt = name == "exempt";
  Builder compared(spec);
  if (exempt) compared.root().remove("exempt");
  if (equal(compared.finish().root(), fixed.root())) return;
  errors.invalid(at, shown_level_spec(spec).root(),
                 cat("spec of '", name, "' ", exempt ? "except the 'spec.exempt' field " : "", "must equal the fixed value"));
}

void validate_level(Value o, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view name = o["metadata"]["name"].str();
  if (o["metadata"]["annotations"].has(kRoundTrip))
    errors.forbidden(Path("metadata").at("annotations"), cat("annotation '", kRoundTrip, "' is forbidden"));
  validate_spec(o["spec"], name, at, errors);
  validate_fixed(o["spec"], name, at, errors);
  validate_flow_conditions(o["status"], errors);
}

TableCell number_or_none(Value v) { return v.exists() ? TableCell(v.integer()) : TableCell("<none>"); }
Value queuing_of(Value o) { return o["spec"]["limited"]["limitResponse"]["queuing"]; }
Value shares_of(Value o) {
  const Value limited = o["spec"]["limited"];
  return (limited.is_object() ? limited : o["spec"]["exempt"])["nominalConcurrencyShares"];
}

}  // namespace

void prioritylevel_rules(Kind& k) {
  with_status(k);
  k.set_defaults = default_level;
  k.validate = validate_level;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_level(o, errors); };
  k.validate_status_update = [](Value o, Value, FieldErrors& errors) { validate_flow_conditions(o["status"], errors); };
  k.columns = {
      name_column(),
      {"Type", kText, [](Value o) { return o["spec"]["type"].str(); }},
      {"NominalConcurrencyShares", kText, [](Value o) { return number_or_none(shares_of(o)); }},
      {"Queues", kText, [](Value o) { return number_or_none(queuing_of(o)["queues"]); }},
      {"HandSize", kText, [](Value o) { return number_or_none(queuing_of(o)["handSize"]); }},
      {"QueueLengthLimit", kText, [](Value o) { return number_or_none(queuing_of(o)["queueLengthLimit"]); }},
      age_column(),
  };
}

}  // namespace bramble
