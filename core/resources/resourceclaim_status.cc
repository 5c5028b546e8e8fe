// The status of a ResourceClaim: which devices it got, who may use them, what their drivers say of them.
#include "core/base/strings.h"
#include "core/resources/address_warnings.h"
#include "core/resources/device_rules.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/shared_rules.h"
#include "core/resources/volume_source_rules.h"

namespace bramble {
namespace {

constexpr size_t kReservedMax = 256, kConditionsMax = 8, kInterfaceNameMax = 256, kHardwareAddressMax = 128, kAddressesMax = 16;

std::set<std::string> allocated(Value status) {
  std::set<std::string> out;
  for (Value r : status["allocation"]["devices"]["results"].items()) out.insert(device_id(r));
  return out;
}

// As the library that upstream takes reads them: also with a prefix or braces, or without dashes, which it then finds fault with.
std::string uuid_fault(std::string_view text) {
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  std::string_view s = text;
  if (s.size() == 45) {
    if (lower(s.substr(0, 9)) != "urn:uuid:") return cat("invalid urn prefix: ", go_quote(s.substr(0, 9)));
    s = s.substr(9);
  } else if (s.size() == 38) {
    if (s.front() != '{' || s.back() != '}') return "invalid bracketed UUID format";
    s = s.substr(1, 36);
  } else if (s.size() != 36 && s.size() != 32) {
    return cat("invalid UUID length: ", s.size());
  }
  for (size_t i = 0; i < s.size(); ++i) {
    const bool dash = s.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
    if (dash ? s[i] != '-' : !is_hex(s[i])) return "invalid UUID format";
  }
  return {};
}

void validate_share(Value holder, const Path& at, FieldErrors& errors) {
  if (!holder.has("shareID")) return;
  const std::string_view id = holder["shareID"].str();
  if (const std::string fault = uuid_fault(id); !fault.empty())
    errors.invalid(at.at("shareID"), id, cat("error validating uid: ", fault));
  else if (id.size() != 36 || lower(id) != id)
    errors.invalid(at.at("shareID"), id,
                   "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters");
}

void validate_device_names(Value holder, const Path& at, FieldErrors& errors) {
  validate_driver_name(holder["driver"].str(), at.at("driver"), errors);
  validate_pool_name(holder["pool"].str(), at.at("pool"), errors);
  add_invalid(at.at("device"), holder["device"].str(), check_dns1123_label(holder["device"].str()), errors);
}

void validate_user(Value user, const Path& at, FieldErrors& errors) {
  for (const char* key : {"resource", "name", "uid"})
    if (user[key].str().empty()) errors.required(at.at(key));
}

void validate_interface_address(std::string_view text, const Path& at, FieldErrors& errors) {
  const auto range = parse_cidr_sloppily(text);
  if (!range) return errors.invalid(at, text, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)");
  const std::string usual = cat(address_text(range->base), "/", range->prefix);
  if (usual != text) errors.invalid(at, text, cat("must be in canonical form (", go_quote(usual), ")"));
}

void validate_network_data(Value data, const Path& at, FieldErrors& errors) {
  if (data["interfaceName"].str().size() > kInterfaceNameMax) errors.too_long(at.at("interfaceName"), kInterfaceNameMax);
  if (data["hardwareAddress"].str().size() > kHardwareAddressMax) errors.too_long(at.at("hardwareAddress"), kHardwareAddressMax);
  validate_device_set(
      data["ips"], kAddressesMax, at.at("ips"), errors,
      [&errors](Value ip, const Path& here) { validate_interface_address(ip.str(), here, errors); },
      [](Value ip) { return go_quote(ip.str()); });
}

void validate_device_status(Value device, const std::set<std::string>& allocated_devices, const Path& at, FieldErrors& errors) {
  validate_device_names(device, at, errors);
  validate_share(device, at, errors);
  if (const std::string id = device_id(device); !allocated_devices.count(id))
    errors.invalid_raw(at, id, "must be an allocated device in the claim");
  const Value conditions = device["conditions"], data = device["data"];
  if (conditions.size() > kConditionsMax) errors.too_many(at.at("conditions"), conditions.size(), kConditionsMax);
  validate_observed_conditions(conditions, at.at("conditions"), errors);
  if (data.exists()) validate_raw_object(data, false, at.at("data"), errors);
  validate_network_data(device["networkData"], at.at("networkData"), errors);
}

void validate_allocation(Value allocation, Value requests, const Path& at, FieldErrors& errors) {
  const Value devices = allocation["devices"];
  validate_device_list(devices["results"], kDeviceListMax, at.at("devices").at("results"), errors, [&](Value r, const Path& here) {
    validate_request_reference(r["request"].str(), requests, here.at("request"), errors);
    validate_device_names(r, here, errors);
    validate_binding_conditions(r, here, errors);
    validate_share(r, here, errors);
  });
  // Of the claim and of its class.
  validate_device_list(devices["config"], 2 * kDeviceListMax, at.at("devices").at("config"), errors, [&](Value c, const Path& here) {
    validate_one_of(c["source"].str(), {"FromClaim", "FromClass"}, here.at("source"), true, errors);
    validate_device_set(
        c["requests"], kDeviceListMax, here.at("requests"), errors,
        [&](Value name, const Path& place) { validate_request_reference(name.str(), requests, place, errors); },
        [](Value name) { return go_quote(name.str()); });
    validate_device_configuration(c, false, here, errors);
  });
  if (allocation["nodeSelector"].is_object()) validate_node_selector(allocation["nodeSelector"], at.at("nodeSelector"), errors);
}

bool contains(Value list, Value item) {
  for (Value v : list.items())
    if (equal(v, item)) return true;
  return false;
}

}  // namespace

// What drivers said of devices that the claim no longer has is forgotten.
void keep_allocated_devices(Mut claim, Value old) {
  Mut devices = claim["status"]["devices"];
  if (!devices.is_array()) return;
  Builder copy;
  copy.root().set("status", claim["status"]);
  const Document now = copy.finish();
  std::set<std::string> lost = allocated(old["status"]);
  for (const std::string& id : allocated(now["status"])) lost.erase(id);
  for (size_t i = devices.size(); i-- > 0;)
    if (lost.count(device_id(now["status"]["devices"].item(i)))) devices.remove_item(i);
  if (devices.size() == 0) claim["status"].remove("devices");
}

void validate_claim_status(Value claim, Value old_claim, FieldErrors& errors) {
  const Path at("status");
  const Value status = claim["status"], old = old_claim["status"], allocation = status["allocation"], reserved = status["reservedFor"];
  validate_device_set(
      reserved, kReservedMax, at.at("reservedFor"), errors, [&errors](Value u, const Path& here) { validate_user(u, here, errors); },
      [](Value u) { return go_quote(u["uid"].str()); });
  const std::set<std::string> devices = allocated(status);
  validate_device_set(
      status["devices"], SIZE_MAX, at.at("devices"), errors,
      [&](Value d, const Path& here) { validate_device_status(d, devices, here, errors); }, [](Value d) { return device_id(d); });
  if (reserved.size() > 0 && !allocation.is_object()) {
    errors.forbidden(at.at("reservedFor"), "may not be specified when `allocated` is not set");
  } else if (claim["metadata"].has("deletionTimestamp")) {
    for (Value user : reserved.items()) {
      if (contains(old["reservedFor"], user)) continue;
      errors.forbidden(at.at("reservedFor"), "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set");
      break;
    }
  }
  if (!allocation.is_object()) return;
  if (!old["allocation"].is_object()) return validate_allocation(allocation, claim["spec"]["devices"]["requests"], at.at("allocation"), errors);
  if (!equal(allocation, old["allocation"]))
    errors.invalid(at.at("allocation"), internal_form(allocation, "resource.v1.AllocationResult").root(), kFieldImmutable);
}

}  // namespace bramble
