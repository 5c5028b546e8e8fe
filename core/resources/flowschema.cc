// FlowSchema and PriorityLevelConfiguration: stored and shown.
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_flowschema(Mut o) {
  Mut spec = o.object("spec");
  if (spec["matchingPrecedence"].integer() == 0) spec.set("matchingPrecedence", 1000);
}

void validate_flowschema(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const int64_t precedence = spec["matchingPrecedence"].integer();
  if (precedence <= 0) errors.invalid(at.at("matchingPrecedence"), precedence, "must be a positive value");
  if (precedence > 10000) errors.invalid(at.at("matchingPrecedence"), precedence, "must not be greater than 10000");
  if (spec["distinguisherMethod"].is_object())
    validate_one_of(spec["distinguisherMethod"]["type"].str(), {"ByNamespace", "ByUser"},
                    at.at("distinguisherMethod").at("type"), true, errors);
  if (spec["priorityLevelConfiguration"]["name"].str().empty())
    errors.required(at.at("priorityLevelConfiguration").at("name"), "must reference a priority level");
}

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

void validate_level(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string_view type = spec["type"].str();
  if (type == "Limited") {
    if (!spec["limited"].is_object()) errors.required(at.at("limited"), "must not be empty when type is Limited");
    if (spec["exempt"].is_object()) errors.forbidden(at.at("exempt"), "must be nil if the type is Limited");
  } else if (type == "Exempt") {
    if (spec["limited"].is_object()) errors.forbidden(at.at("limited"), "must be nil if the type is not Limited");
  } else {
    errors.not_supported(at.at("type"), type, {"Exempt", "Limited"});
  }
}

TableCell number_or_none(Value v) { return v.exists() ? TableCell(v.integer()) : TableCell("<none>"); }
Value queuing_of(Value o) { return o["spec"]["limited"]["limitResponse"]["queuing"]; }
Value shares_of(Value o) {
  const Value limited = o["spec"]["limited"];
  return (limited.is_object() ? limited : o["spec"]["exempt"])["nominalConcurrencyShares"];
}

}  // namespace

void flowschema_rules(Kind& k) {
  with_status(k);
  k.set_defaults = default_flowschema;
  k.validate = validate_flowschema;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_flowschema(o, errors); };
  k.columns = {
      name_column(),
      {"PriorityLevel", kText, [](Value o) { return o["spec"]["priorityLevelConfiguration"]["name"].str("<none>"); }},
      {"MatchingPrecedence", kText, [](Value o) { return o["spec"]["matchingPrecedence"].integer(); }},
      {"DistinguisherMethod", kText, [](Value o) { return o["spec"]["distinguisherMethod"]["type"].str("<none>"); }},
      age_column(),
      {"MissingPL", kText, [](Value o) {
         const std::string_view dangling = condition_status(o, "Dangling");
         return dangling.empty() ? std::string_view("?") : dangling;
       }},
  };
}

void prioritylevel_rules(Kind& k) {
  with_status(k);
  k.set_defaults = default_level;
  k.validate = validate_level;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_level(o, errors); };
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
