// What users write that every request meets: FlowSchemas and PriorityLevelConfigurations (accepted, and as they may stand in an
// old store), and the audit policy. Input: `method path\nuser\n` and then JSON or YAML.
#include <algorithm>

#include "core/apiserver/audit_policy.h"
#include "core/apiserver/decode.h"
#include "core/apiserver/flow_objects.h"
#include "core/apiserver/flow_rules.h"
#include "core/apiserver/verbs.h"
#include "core/base/check.h"

namespace bramble {
namespace {

void deal(uint64_t hash, int64_t queues, int64_t hand) {
  std::vector<int64_t> dealt = deal_hand(hash, queues, hand);
  CHECK(dealt.size() == static_cast<size_t>(hand), hand);
  std::sort(dealt.begin(), dealt.end());
  CHECK(std::adjacent_find(dealt.begin(), dealt.end()) == dealt.end(), "a queue twice in one hand");
  CHECK(dealt.front() >= 0 && dealt.back() < queues, queues);
}

void use(const Document& object, const Identity& user, const RequestInfo& info) {
  FlowSchemaRules rules = FlowSchemaRules::of(object);
  (void)rules.matches(user, info);
  const uint64_t hash = flow_hash(rules.name, rules.flow_of(user, info));
  auto level = PriorityLevel::of(object);
  if (level && level->queues > 0) deal(hash, level->queues, level->hand_size);
}

// As a write of it goes: what passes must be usable.
void write(const Kind& kind, const Document& object, const Identity& user, const RequestInfo& info) {
  auto decoded = decode_object(*Verbs::expected_type(kind, ""), object.root(), FieldValidation::kIgnore, nullptr);
  if (!decoded.ok()) return;
  Document whole = decoded->finish();
  FieldErrors errors;
  kind.validate(whole.root(), errors);
  (void)errors.to_error(kind.group, kind.kind, "x");
  if (!errors.empty()) return;
  use(whole, user, info);
  if (kind.kind == "PriorityLevelConfiguration" && whole["spec"]["limited"].is_object()) CHECK(PriorityLevel::of(whole).has_value(), whole.root().dump());
}

}  // namespace
}  // namespace bramble

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto line = [&text] {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view out = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return out;
  };
  std::string_view asked = line();
  size_t space = std::min(asked.find(' '), asked.size());
  RequestInfo info = route(asked.substr(0, space), space < asked.size() ? asked.substr(space + 1) : std::string_view("/"), "");
  Identity user;
  user.user = line();
  user.groups = {"system:authenticated"};
  auto policy = AuditPolicy::parse(text);
  if (policy.ok()) (void)policy->decide(user, Attributes::of(info));
  auto object = Document::parse(text);
  if (!object.ok()) return 0;
  use(*object, user, info);
  write(flow_schema_kind(), *object, user, info);
  write(priority_level_kind(), *object, user, info);
  return 0;
}
