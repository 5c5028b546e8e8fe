#include "core/kubelet/payloads.h"

namespace bramble {

namespace {

using namespace resource_ids;

constexpr int64_t kTokenSecondsDefault = 3600;

// What is not shown, but may be there, is not absent. Upstream's words for a cache that has not heard of the object in time.
Status known(const Snapshot& snapshot, bool secret, std::string_view ns, std::string_view name) {
  if (!snapshot.may_be_lost(secret ? kSecrets : kConfigMaps, ns, name)) return ok();
  return Error(Code::kUnavailable, cat("failed to sync ", secret ? "secret" : "configmap", " cache: timed out waiting for the condition"));
}

struct Maker {
  const Snapshot& snapshot;
  const DownwardContext& context;
  const TokenOf& token_of;
  Payload out;

  uint32_t mode_of(Value item, uint32_t fallback) { return static_cast<uint32_t>(item["mode"].integer(fallback)); }

  // configMap and secret: all keys, or the items that are named.
  Status add_data(Value source, std::string_view name, bool secret, uint32_t mode) {
    std::string_view ns = meta(context.pod, "namespace");
    bool optional = source["optional"].boolean();
    Document d = snapshot.get(secret ? kSecrets : kConfigMaps, ns, name);
    if (!d) {
      TRY(known(snapshot, secret, ns, name));
      if (optional) return ok();
      return Error(Code::kNotFound, cat(secret ? "secret" : "configmap", " \"", name, "\" not found"));
    }
    auto bytes_of = [&](std::string_view key) -> std::optional<std::string> {
      if (Value v = d["data"][key]) return secret ? base64_decode(v.str()) : std::optional<std::string>(v.text());
      if (Value v = d["binaryData"][key]; v && !secret) return base64_decode(v.str());
      return std::nullopt;
    };
    Value items = source["items"];
    if (items.size() == 0) {
      for (const char* part : {"data", "binaryData"})
        for (auto [key, value] : d[part].members())
          if (auto bytes = bytes_of(key)) out[std::string(key)] = {*bytes, mode};
      return ok();
    }
    for (Value item : items.items()) {
      auto bytes = bytes_of(item["key"].str());
      if (bytes) out[item["path"].text()] = {*bytes, mode_of(item, mode)};
      else if (!optional) return Error(Code::kNotFound, cat(secret ? "references non-existent secret key: " : "references non-existent config key: ", item["key"].str()));
    }
    return ok();
  }

  Status add_downward(Value source, uint32_t mode) {
    for (Value item : source["items"].items()) {
      std::string text;
      if (Value f = item["fieldRef"]) {
        TRY_ASSIGN(text, field_text(context, f["fieldPath"].str()));
      } else {
        TRY_ASSIGN(text, resource_text(context, Value(), item["resourceFieldRef"]));
      }
      out[item["path"].text()] = {text, mode_of(item, mode)};
    }
    return ok();
  }

  // The user that all containers run as, if they do.
  std::optional<uint32_t> common_user() {
    std::optional<int64_t> user;
    for (const char* list : {"initContainers", "containers"})
      for (Value c : context.pod["spec"][list].items()) {
        Value own = c["securityContext"]["runAsUser"];
        if (!own) own = context.pod["spec"]["securityContext"]["runAsUser"];
        if (!own || (user && *user != own.integer())) return std::nullopt;
        user = own.integer();
      }
    return user ? std::optional<uint32_t>(static_cast<uint32_t>(*user)) : std::nullopt;
  }

  Status add_projected(Value projected) {
    uint32_t mode = mode_of_volume(projected);
    for (Value source : projected["sources"].items()) {
      if (Value s = source["secret"]) TRY(add_data(s, s["name"].str(), true, mode));
      if (Value s = source["configMap"]) TRY(add_data(s, s["name"].str(), false, mode));
      if (Value s = source["downwardAPI"]) TRY(add_downward(s, mode));
      if (Value s = source["serviceAccountToken"]) {
        TRY_ASSIGN(std::string token, token_of(s["audience"].text(), s["expirationSeconds"].integer(kTokenSecondsDefault)));
        auto user = common_user();
        bool given_away = user || context.pod["spec"]["securityContext"].has("fsGroup");
        out[s["path"].text()] = {token, given_away ? 0600 : mode, user};
      }
      if (source.has("clusterTrustBundle") || source.has("podCertificate")) return Error(Code::kInvalidArgument, cat("projected volume source ", source.has("podCertificate") ? "podCertificate" : "clusterTrustBundle", " is not supported on this node"));
    }
    return ok();
  }

  static uint32_t mode_of_volume(Value source) { return static_cast<uint32_t>(source["defaultMode"].integer(0644)); }
};

}  // namespace

bool has_payload(Value volume) { return volume.has("configMap") || volume.has("secret") || volume.has("downwardAPI") || volume.has("projected"); }

Result<Payload> volume_payload(const Snapshot& snapshot, const DownwardContext& context, Value volume, const TokenOf& token_of) {
  Maker m{snapshot, context, token_of, {}};
  if (Value v = volume["configMap"]) TRY(m.add_data(v, v["name"].str(), false, Maker::mode_of_volume(v)));
  if (Value v = volume["secret"]) TRY(m.add_data(v, v["secretName"].str(), true, Maker::mode_of_volume(v)));
  if (Value v = volume["downwardAPI"]) TRY(m.add_downward(v, Maker::mode_of_volume(v)));
  if (Value v = volume["projected"]) TRY(m.add_projected(v));
  return std::move(m.out);
}

}  // namespace bramble
