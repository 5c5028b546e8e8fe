#include "core/apiserver/negotiation.h"

#include <algorithm>
#include <vector>

#include "core/base/strings.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

struct Clause {
  std::string type;  // "application/json"
  std::string as, group, version;
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
  if (type == "application/vnd.kubernetes.protobuf") return MediaType::kProtobuf;
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

bool shape_of(const Clause& c, bool shapes, Answer& answer) {
  if (c.as.empty()) return true;
  if (!shapes || c.group != "meta.k8s.io" || (c.version != "v1" && c.version != "v1beta1")) return false;
  if (c.as == "Table") {
    answer.shape = Shape::kTable;
  } else if (c.as == "PartialObjectMetadata") {
    answer.shape = Shape::kPartialMetadata;
  } else if (c.as == "PartialObjectMetadataList") {
    answer.shape = Shape::kPartialMetadataList;
  } else {
    return false;
  }
  answer.shape_version = c.version;
  return true;
}

}  // namespace

Result<Answer> negotiate(std::string_view accept, bool shapes) {
  std::vector<Clause> clauses = parse_accept(accept);
  if (clauses.empty()) return Answer{};
  bool known = false;
  for (const Clause& c : clauses) {
    auto type = type_of(c.type);
    if (!type) continue;
    known = true;
    Answer answer;
    answer.type = *type;
    answer.pretty = c.pretty;
    if (*type == MediaType::kProtobuf || c.weight == 0) continue;  // protobuf answers are not served yet
    if (shape_of(c, shapes, answer)) return answer;
  }
  if (!known) return none_representable();
  return api_not_acceptable();
}

Result<std::string> negotiate_discovery(std::string_view accept) {
  std::vector<Clause> clauses = parse_accept(accept);
  if (clauses.empty()) return std::string();
  for (const Clause& c : clauses) {
    auto type = type_of(c.type);
    if (!type || *type == MediaType::kProtobuf) continue;
    if (c.as.empty()) return std::string();
    if (c.as == "APIGroupDiscoveryList" && c.group == "apidiscovery.k8s.io" &&
        (c.version == "v2" || c.version == "v2beta1")) {
      return c.version;
    }
  }
  return api_not_acceptable();
}

std::string media_type_of(std::string_view content_type) {
  std::string type = lower(trim(split(content_type, ';')[0]));
  return type.empty() ? "application/json" : type;
}

}  // namespace bramble
