#include "core/apiserver/tables.h"

#include <functional>

#include "core/base/clock.h"
#include "core/registry/api_status.h"
#include "core/resources/cells.h"

namespace bramble {

namespace {

void append_cell(const Column& column, const TableRow& row, Mut cells) {
  column.cell(row).visit([&cells](const auto& value) { cells.append(value); });
}

void quarantined_cell(const Column& column, Value object, Mut cells) {
  if (column.form & kName) cells.append(meta(object, "name"));
  else if (column.form & kInteger) cells.append(int64_t{0});
  else cells.append("<quarantined>");
}

void write_columns(Mut table, const std::vector<Column>& columns) {
  Mut list = table.array("columnDefinitions");
  for (const Column& c : columns) {
    Mut d = list.append_object();
    d.set("name", c.name);
    d.set("type", c.type());
    d.set("format", c.format());
    d.set("description", c.description);
    d.set("priority", c.priority());
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
  const std::vector<Column>& columns = columns_of(kind);
  Builder b = start_table(meta, options, columns);
  Mut rows = b["rows"];
  for (const Document& object : objects) {
    write_row(rows, object.root(), options, [&](Mut cells) {
      auto about = [&object] { return Quarantine::About{content_mark(*object.bytes()), object}; };
      Quarantine::Step step(options.quarantine, "apiserver/table", Quarantine::key_of(kind.resource, object), about);
      TableRow row(object.root(), options.now_us);
      for (const Column& c : columns) {
        if (step.allowed()) append_cell(c, row, cells);
        else quarantined_cell(c, object.root(), cells);
      }
    });
  }
  return b.dump();
}

std::string scale_table_json(const Document& scale, const TableOptions& options) {
  static const std::vector<Column> columns = {
      {"Name", kText, [](Value o) { return o["metadata"]["name"].str(); }},
      {"Desired", kInteger, [](Value o) { return o["spec"]["replicas"].integer(); }},
      {"Available", kInteger, [](Value o) { return o["status"]["replicas"].integer(); }},
      {"Age", kText,
       [](const TableRow& r) {
         int64_t created = parse_rfc3339(meta(r.object, "creationTimestamp")).value_or(r.now_us);
         return human_duration(r.now_us - created);
       }}};
  ListMeta list_meta;
  list_meta.resource_version = version_of(scale);
  Builder b = start_table(list_meta, options, columns);
  TableRow row(scale.root(), options.now_us);
  write_row(b["rows"], scale.root(), options, [&](Mut cells) {
    for (const Column& c : columns) append_cell(c, row, cells);
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
