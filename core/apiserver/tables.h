// Other shapes of objects: Table (what `kubectl get` prints) and PartialObjectMetadata. Made on demand. Pure.
// Specification: Kubernetes API concepts, "Receiving resources as Tables"; meta.k8s.io/v1.
#pragma once

#include <string>
#include <vector>

#include "core/quarantine/quarantine.h"
#include "core/resources/kind.h"

namespace bramble {

enum class IncludeObject { kMetadata, kObject, kNone };

struct TableOptions {
  std::string version = "v1";  // of meta.k8s.io
  IncludeObject include = IncludeObject::kMetadata;
  bool columns = true;         // watches send the column definitions once
  int64_t now_us = 0;
  Quarantine* quarantine = nullptr;  // an object whose cells ended the server shows its name alone
};

// What stands in the table's (or list's) own metadata.
struct ListMeta {
  std::string resource_version, continue_token;
  int64_t remaining = 0;
  std::string json() const;
};

Result<IncludeObject> parse_include_object(std::string_view text);

std::string table_json(const Kind& kind, const std::vector<Document>& objects, const ListMeta& meta, const TableOptions& options);
std::string scale_table_json(const Document& scale, const TableOptions& options);
std::string partial_json(Value object, std::string_view version);
std::string partial_list_json(const std::vector<Document>& objects, const ListMeta& meta, std::string_view version);

}  // namespace bramble
