#include "core/resources/flow_spec.h"

#include <set>
#include <span>

#include "core/json/builder.h"

namespace bramble {
namespace {

constexpr std::string_view kExemptFlow =
    R"({"priorityLevelConfiguration":{"name":"exempt"},"matchingPrecedence":1,"rules":[{"subjects":[{"kind":"Group",)"
    R"("group":{"name":"system:masters"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],)"
    R"("clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]})";
constexpr std::string_view kCatchAllFlow =
    R"({"priorityLevelConfiguration":{"name":"catch-all"},"matchingPrecedence":10000,"distinguisherMethod":{"type":"ByUser"},)"
    R"("rules":[{"subjects":[{"kind":"Group","group":{"name":"system:unauthenticated"}},{"kind":"Group",)"
    R"("group":{"name":"system:authenticated"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],)"
    R"("clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]})";
constexpr std::string_view kExemptLevel = R"({"type":"Exempt"})";
constexpr std::string_view kCatchAllLevel =
    R"({"type":"Limited","limited":{"nominalConcurrencyShares":5,"limitResponse":{"type":"Reject"},"lendablePercent":0}})";

Document parsed(std::string_view json) {
  auto document = Document::parse(json);
  CHECK(document.ok(), "a fixed spec is not JSON");
  return std::move(document).value();
}

struct GoField {
  enum How { kText, kNumber, kBool, kNumberPointer, kTexts, kStruct, kPointer, kStructs };
  const char* key;
  const char* name;
  How how;
  std::span<const GoField> fields;  // of kStruct, kPointer, kStructs
};

constexpr GoField kName[] = {{"name", "Name", GoField::kText, {}}};
constexpr GoField kType[] = {{"type", "Type", GoField::kText, {}}};
constexpr GoField kAccount[] = {{"namespace", "Namespace", GoField::kText, {}}, {"name", "Name", GoField::kText, {}}};
constexpr GoField kSubject[] = {{"kind", "Kind", GoField::kText, {}},
                                {"user", "User", GoField::kPointer, kName},
                                {"group", "Group", GoField::kPointer, kName},
                                {"serviceAccount", "ServiceAccount", GoField::kPointer, kAccount}};
constexpr GoField kResourceRule[] = {{"verbs", "Verbs", GoField::kTexts, {}},
                                     {"apiGroups", "APIGroups", GoField::kTexts, {}},
                                     {"resources", "Resources", GoField::kTexts, {}},
                                     {"clusterScope", "ClusterScope", GoField::kBool, {}},
                                     {"namespaces", "Namespaces", GoField::kTexts, {}}};
constexpr GoField kPathRule[] = {{"verbs", "Verbs", GoField::kTexts, {}}, {"nonResourceURLs", "NonResourceURLs", GoField::kTexts, {}}};
constexpr GoField kRule[] = {{"subjects", "Subjects", GoField::kStructs, kSubject},
                             {"resourceRules", "ResourceRules", GoField::kStructs, kResourceRule},
                             {"nonResourceRules", "NonResourceRules", GoField::kStructs, kPathRule}};
constexpr GoField kFlowSpec[] = {{"priorityLevelConfiguration", "PriorityLevelConfiguration", GoField::kStruct, kName},
                                 {"matchingPrecedence", "MatchingPrecedence", GoField::kNumber, {}},
                                 {"distinguisherMethod", "DistinguisherMethod", GoField::kPointer, kType},
                                 {"rules", "Rules", GoField::kStructs, kRule}};
constexpr GoField kQueuing[] = {{"queues", "Queues", GoField::kNumber, {}},
                                {"handSize", "HandSize", GoField::kNumber, {}},
                                {"queueLengthLimit", "QueueLengthLimit", GoField::kNumber, {}}};
constexpr GoField kResponse[] = {{"type", "Type", GoField::kText, {}}, {"queuing", "Queuing", GoField::kPointer, kQueuing}};
constexpr GoField kLimited[] = {{"nominalConcurrencyShares", "NominalConcurrencyShares", GoField::kNumber, {}},
                                {"limitResponse", "LimitResponse", GoField::kStruct, kResponse},
                                {"lendablePercent", "LendablePercent", GoField::kNumberPointer, {}},
                                {"borrowingLimitPercent", "BorrowingLimitPercent", GoField::kNumberPointer, {}}};
constexpr GoField kExempt[] = {{"nominalConcurrencyShares", "NominalConcurrencyShares", GoField::kNumberPointer, {}},
                               {"lendablePercent", "LendablePercent", GoField::kNumberPointer, {}}};
constexpr GoField kLevelSpec[] = {{"type", "Type", GoField::kText, {}},
                                  {"limited", "Limited", GoField::kPointer, kLimited},
                                  {"exempt", "Exempt", GoField::kPointer, kExempt}};

void show(Value from, std::span<const GoField> fields, Mut to) {
  for (const GoField& f : fields) {
    const Value v = from[f.key];
    const bool there = v.exists() && !v.is_null();
    switch (f.how) {
      case GoField::kText: to.set(f.name, v.str()); break;
      case GoField::kNumber: to.set(f.name, v.integer()); break;
      case GoField::kBool: to.set(f.name, v.boolean()); break;
      case GoField::kNumberPointer:
      case GoField::kTexts:
        if (there) to.set(f.name, v);
        else to.set_null(f.name);
        break;
      case GoField::kStruct: show(v, f.fields, to.object(f.name)); break;
      case GoField::kPointer:
        if (there) show(v, f.fields, to.object(f.name));
        else to.set_null(f.name);
        break;
      case GoField::kStructs:
        if (!there) to.set_null(f.name);
        for (Value item : v.items()) show(item, f.fields, to.array(f.name).append_object());
        break;
    }
  }
}

Document shown(Value from, std::span<const GoField> fields) {
  Builder b;
  show(from, fields, b.root());
  return b.finish();
}

}  // namespace

Document mandatory_flow_spec(std::string_view name) {
  if (name == "exempt") return parsed(kExemptFlow);
  if (name == "catch-all") return parsed(kCatchAllFlow);
  return {};
}

Document mandatory_level_spec(std::string_view name) {
  if (name == "exempt") return parsed(kExemptLevel);
  if (name == "catch-all") return parsed(kCatchAllLevel);
  return {};
}

Document shown_flow_spec(Value spec) { return shown(spec, kFlowSpec); }
Document shown_level_spec(Value spec) { return shown(spec, kLevelSpec); }

void validate_flow_conditions(Value status, FieldErrors& errors) {
  const Path at = Path("status").at("conditions");
  std::set<std::string_view> types;
  for (size_t i = 0; i < status["conditions"].size(); i++) {
    const std::string_view type = status["conditions"].item(i)["type"].str();
    if (!types.insert(type).second) errors.duplicate(at.at(i).at("type"), type);
    if (type.empty()) errors.required(at.at(i).at("type"), "must not be empty");
  }
}

}  // namespace bramble
