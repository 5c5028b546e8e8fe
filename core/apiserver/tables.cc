#include "core/apiserver/tables.h"

#include <functional>

#include "core/base/clock.h"

#include "core/registry/api_status.h"

namespace bramble {

namespace {

// Kinds without columns of their own.
const std::vector<Column>& plain_columns() {
  static const std::vector<Column> columns = {
      {"Name", "string", "name", "Name must be unique within a namespace.", 0},
      {"Created At", "date", "", "CreationTimestamp is a timestamp representing the server time when this object was created.", 0}};
  return columns;
}

void plain_cells(Value object, Mut cells) {
  cells.append(meta(object, "name"));
  cells.append(meta(object, "creationTimestamp"));
}

void quarantined_cells(Value object, const std::vector<Column>& columns, Mut cells) {
  for (const Column& c : columns) {
    if (c.format == "name") cells.append(meta(object, "name"));
    else if (c.type == "integer") cells.append(int64_t{0});
    else cells.append("<quarantined>");
  }
}

void write_columns(Mut table, const std::vector<Column>& columns) {
  Mut list = table.array("columnDefinitions");
  for (const Column& c : columns) {
    Mut d = list.append_object();
    d.set("name", c.name);
    d.set("type", c.type);
    d.set("format", c.format);
    d.set("description", c.description);
    d.set("priority", c.priority);
  }
}

void write_partial(Mut out, Value object, std::string_view version) {
  out.set("kind", "PartialObjectMetadata");
  out.set("apiVersion", cat("meta.k8s.io/", version));
  out.set("metadata", object["metadata"]);
}

void write_row(Mut rows, Value object, const TableOptions& options, const std::function<void(Mut cells)>& cells) {
  Mut row = rows.append_object();
  cells(row.array("cells"));
  switch (options.include) {
    case IncludeObject::kNone: row.set_null("object"); break;
    case IncludeObject::kObject: row.set("object", object); break;
    case IncludeObject::kMetadata: write_partial(row.object("object"), object, options.version); break;
  }
}

Builder start_table(const ListMeta& meta, const TableOptions& options, const std::vector<Column>& columns) {
  Builder b;
  Mut table = b.root();
  table.set("kind", "Table");
  table.set("apiVersion", cat("meta.k8s.io/", options.version));
  Mut m = table.object("metadata");
  if (!meta.resource_version.empty()) m.set("resourceVersion", meta.resource_version);
  if (!meta.continue_token.empty()) m.set("continue", meta.continue_token);
  if (meta.remaining > 0) m.set("remainingItemCount", meta.remaining);
  if (options.columns) {
    write_columns(table, columns);
  } else {
    table.set_null("columnDefinitions");
  }
  table.array("rows");
  return b;
}

}  // namespace

std::string ListMeta::json() const {
  std::string out = "{";
  if (!resource_version.empty()) out += cat("\"resourceVersion\":\"", resource_version, "\"");
  if (!continue_token.empty()) out += cat(out.size() > 1 ? "," : "", "\"continue\":\"", continue_token, "\"");
  if (remaining > 0) out += cat(out.size() > 1 ? "," : "", "\"remainingItemCount\":", remaining);
  return out + "}";
}

Result<IncludeObject> parse_include_object(std::string_view text) {
  if (text.empty() || text == "Metadata") return IncludeObject::kMetadata;
  if (text == "Object") return IncludeObject::kObject;
  if (text == "None") return IncludeObject::kNone;
  return api_bad_request(cat("invalid TableOptions.includeObject ", go_quote(text)));
}

std::string table_json(const Kind& kind, const std::vector<Document>& objects, const ListMeta& meta, const TableOptions& options) {
  const std::vector<Column>& columns = kind.columns.empty() ? plain_columns() : kind.columns;
  Builder b = start_table(meta, options, columns);
  Mut rows = b["rows"];
  for (const Document& object : objects) {
    write_row(rows, object.root(), options, [&](Mut cells) {
      if (kind.columns.empty() || kind.cells == nullptr) {
        plain_cells(object.root(), cells);
        return;
      }
      auto about = [&object] { return Quarantine::About{content_mark(*object.bytes()), object}; };
      Quarantine::Step step(options.quarantine, "apiserver/table", Quarantine::key_of(kind.resource, object), about);
      if (!step.allowed()) {
        quarantined_cells(object.root(), columns, cells);
      } else {
        kind.cells(object.root(), options.now_us, cells);
      }
    });
  }
  return b.dump();
}

std::string scale_table_json(const Document& scale, const TableOptions& options) {
  static const std::vector<Column> columns = {{"Name", "string", "", "", 0},
                                              {"Desired", "integer", "", "", 0},
                                              {"Available", "integer", "", "", 0},
                                              {"Age", "string", "", "", 0}};
  ListMeta list_meta;
  list_meta.resource_version = version_of(scale);
  Builder b = start_table(list_meta, options, columns);
  write_row(b["rows"], scale.root(), options, [&](Mut cells) {
    cells.append(name_of(scale));
    cells.append(scale["spec"]["replicas"].integer());
    cells.append(scale["status"]["replicas"].integer());
    int64_t created = parse_rfc3339(meta(scale.root(), "creationTimestamp")).value_or(options.now_us);
    cells.append(human_duration(options.now_us - created));
  });
  return b.dump();
}

std::string partial_json(Value object, std::string_view version) {
  Builder b;
  write_partial(b.root(), object, version);
  return b.dump();
}

std::string partial_list_json(const std::vector<Document>& objects, const ListMeta& meta, std::string_view version) {
  std::string out = cat("{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/", version,
                        "\",\"metadata\":", meta.json(), ",\"items\":");
  if (objects.empty()) return out + "null}";
  out += '[';
  for (const Document& object : objects) {
    if (out.back() != '[') out += ',';
    out += partial_json(object.root(), version);
  }
  return out + "]}";
}

}  // namespace bramble
