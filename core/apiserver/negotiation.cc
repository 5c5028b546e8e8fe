#include "core/apiserver/negotiation.h"

#include <algorithm>
#include <vector>

#include "core/base/strings.h"
#include "core/registry/api_status.h"
#include "core/schema/protobuf.h"

namespace bramble {

namespace {

struct Clause {
  std::string type;  // "application/json"
  std::string as, group, version, stream;
  bool converts = false;  // one of the first three stands there
  bool pretty = false;
  int weight = 1000;  // q in thousandths
};

int weight_of(std::string_view q) {
  if (q.substr(0, 1) == "1") return 1000;
  if (q.substr(0, 2) != "0.") return 0;
  std::string digits(q.substr(2, 3));
  digits.resize(3, '0');
  return static_cast<int>(parse_int64(digits).value_or(0));
}

std::vector<Clause> parse_accept(std::string_view accept) {
  std::vector<Clause> out;
  for (std::string_view piece : split(accept, ',')) {
    std::vector<std::string_view> parts = split(piece, ';');
    Clause c;
    c.type = lower(trim(parts[0]));
    if (c.type.empty()) continue;
    for (size_t i = 1; i < parts.size(); ++i) {
      auto pair = cut(trim(parts[i]), "=");
      if (!pair) continue;
      std::string key = lower(trim(pair->first));
      std::string_view value = trim(pair->second);
      if (key == "as") c.as = value;
      if (key == "g") c.group = value;
      if (key == "v") c.version = value;
      if (key == "stream") c.stream = value;
      c.converts = c.converts || key == "as" || key == "g" || key == "v";
      if (key == "pretty") c.pretty = value == "1" || value == "true";
      if (key == "q") c.weight = weight_of(value);
    }
    out.push_back(std::move(c));
  }
  std::stable_sort(out.begin(), out.end(), [](const Clause& a, const Clause& b) { return a.weight > b.weight; });
  return out;
}

std::optional<MediaType> type_of(const std::string& type) {
  if (type == "application/json" || type == "*/*" || type == "application/*") return MediaType::kJson;
  if (type == "application/yaml") return MediaType::kYaml;
  if (type == kProtobufType) return MediaType::kProtobuf;
  return std::nullopt;
}

Error none_representable() {
  StatusDetails details;
  details.present = true;
  return status_failure(Code::kUnsupportedMedia, 406, "NotAcceptable",
                        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
                        "application/vnd.kubernetes.protobuf",
                        details);
}

// What the clause makes of the object. Nothing when that is not on offer.
std::optional<Answer> answer_to(const Clause& c, MediaType type, const Offer& offer) {
  Answer answer;
  answer.type = type;
  answer.pretty = c.pretty;
  if (!c.stream.empty() && (c.stream != "watch" || type == MediaType::kYaml)) return std::nullopt;
  if (!c.converts) return type == MediaType::kProtobuf && !offer.protobuf ? std::nullopt : std::optional<Answer>(answer);
  if (!offer.shapes || c.group != "meta.k8s.io" || (c.version != "v1" && c.version != "v1beta1")) return std::nullopt;
  if (c.as == "Table" && type != MediaType::kProtobuf) {
    answer.shape = Shape::kTable;
  } else if (c.as == "PartialObjectMetadata") {
    answer.shape = Shape::kPartialMetadata;
  } else if (c.as == "PartialObjectMetadataList") {
    answer.shape = Shape::kPartialMetadataList;
  } else {
    return std::nullopt;
  }
  answer.shape_version = c.version;
  return answer;
}

}  // namespace

std::string_view name_of(MediaType type) {
  switch (type) {
    case MediaType::kJson: return "application/json";
    case MediaType::kYaml: return "application/yaml";
    case MediaType::kProtobuf: break;
  }
  return kProtobufType;
}

Result<Answer> negotiate(std::string_view accept, Offer offer) {
  std::vector<Clause> clauses = parse_accept(accept);
  if (clauses.empty()) return Answer{};
  bool known = false;
  for (const Clause& c : clauses) {
    auto type = type_of(c.type);
    if (!type) continue;
    known = true;
    if (c.weight == 0) continue;
    if (auto answer = answer_to(c, *type, offer)) return *answer;
  }
  if (!known) return none_representable();
  return api_not_acceptable();
}

MediaType negotiate_error(std::string_view accept) {
  auto answer = negotiate(accept, Offer{});
  return answer.ok() ? answer->type : MediaType::kJson;
}

Result<DiscoveryAnswer> negotiate_discovery(std::string_view accept) {
  std::vector<Clause> clauses = parse_accept(accept);
  if (clauses.empty()) return DiscoveryAnswer{};
  for (const Clause& c : clauses) {
    auto type = type_of(c.type);
    if (!type) continue;
    if (!c.converts) return DiscoveryAnswer{*type, ""};
    if (c.as == "APIGroupDiscoveryList" && c.group == "apidiscovery.k8s.io" &&
        (c.version == "v2" || c.version == "v2beta1")) {
      return DiscoveryAnswer{*type, c.version};
    }
  }
  return api_not_acceptable();
}

Result<ComponentAnswer> negotiate_component(std::string_view accept, std::string_view group, std::string_view kind) {
  if (trim(accept).empty()) return ComponentAnswer();
  for (const Clause& c : parse_accept(accept)) {
    const bool any = c.type == "*/*", object = any || c.type == "application/json" || c.type == "application/*" || c.type == "application/yaml";
    if (object && c.as == kind && c.group == group && (c.version == "v1beta1" || c.version == "v1alpha1"))
      return ComponentAnswer{c.type == "application/yaml" ? MediaType::kYaml : MediaType::kJson, c.version};
    if (!c.converts && (any || c.type == "text/plain" || c.type == "text/*")) return ComponentAnswer();
  }
  StatusDetails details;
  details.present = true;
  return status_failure(Code::kUnsupportedMedia, 406, "NotAcceptable",
                        "only the following media types are accepted: application/json, application/yaml, text/plain", details);
}

std::optional<size_t> first_accepted(std::string_view accept, std::span<const std::string_view> offer) {
  if (trim(accept).empty()) return 0;
  for (const Clause& c : parse_accept(accept)) {
    bool any = c.type == "*/*", below = c.type.ends_with("/*");
    for (size_t i = 0; i < offer.size(); ++i) {
      bool fits = any || c.type == offer[i] || (below && offer[i].starts_with(std::string_view(c.type).substr(0, c.type.size() - 1)));
      if (fits) return i;
    }
  }
  return std::nullopt;
}

std::string media_type_of(std::string_view content_type) {
  std::string type = lower(trim(split(content_type, ';')[0]));
  return type.empty() ? "application/json" : type;
}

}  // namespace bramble
