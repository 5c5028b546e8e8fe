#include "core/network/announcement.h"

#include <map>

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/client/client.h"

namespace bramble {
namespace {

// As flannel prints it: of host-gw it is "null".
std::string backend_data(const Announcement& a) {
  if (!a.vxlan) return "null";
  return cat(R"({"VNI":)", kVxlanNumber, R"(,"VtepMAC":")", a.mac, R"("})");
}

using Notes = std::map<std::string, std::string>;  // an empty value: not there

void put(Notes* notes, const std::optional<Announcement>& a, Value node, bool v6) {
  std::string data, address;
  if (a) {
    data = backend_data(*a);
    address = node["metadata"]["annotations"][v6 ? kPublicIpV6OverwriteNote : kPublicIpOverwriteNote].text(a->public_ip);
  }
  (*notes)[v6 ? kBackendDataV6Note : kBackendDataNote] = data;
  (*notes)[v6 ? kPublicIpV6Note : kPublicIpNote] = address;
}

}  // namespace

std::optional<Document> announcement_patch(const Document& node, const std::optional<Announcement>& v4, const std::optional<Announcement>& v6) {
  Notes notes;
  put(&notes, v4, node.root(), false);
  put(&notes, v6, node.root(), true);
  const std::optional<Announcement>& either = v4 ? v4 : v6;
  notes[kBackendTypeNote] = !either ? "" : either->vxlan ? "vxlan" : "host-gw";
  notes[kSubnetManagerNote] = either ? "true" : "";
  notes[kMtuNote] = either && either->mtu > 0 ? cat(either->mtu) : "";
  Builder b;
  Mut patch = b.root().object("metadata").object("annotations");
  bool differs = false;
  for (const auto& [name, value] : notes) {
    Value present = node["metadata"]["annotations"][name];
    if (present.str() == value && present.exists() == !value.empty()) continue;
    differs = true;
    if (value.empty()) patch.set_null(name);
    else patch.set(name, value);
  }
  if (!differs) return std::nullopt;
  return b.finish();
}

std::optional<Document> node_condition_patch(const Document& node, const Condition& wanted, int64_t now_us) {
  Builder b;
  b.root().object("metadata").set("uid", uid_of(node));
  Mut conditions = b.root().object("status").array("conditions");
  Value present = find_condition(node["status"]["conditions"], wanted.type);
  if (present.exists()) conditions.append(present);
  std::string now = format_rfc3339(now_us);
  if (!set_condition(conditions, wanted, now)) return std::nullopt;
  find_condition(conditions, wanted.type).set("lastHeartbeatTime", now);
  return b.finish();
}

std::optional<Document> condition_patch(const Document& node, const NetworkTrouble& trouble, int64_t now_us) {
  if (trouble.reason.empty()) return node_condition_patch(node, {"NetworkUnavailable", "False", "FlannelIsUp", "Flannel is running on this node"}, now_us);
  return node_condition_patch(node, {"NetworkUnavailable", "True", trouble.reason, trouble.message}, now_us);
}

}  // namespace bramble
